"""A refusal says what is missing."""

from __future__ import annotations

import errno
import os

import pytest

from rollcall_agent.collect import refusal

FULL = "Name:\trollcall\nCapEff:\t000001ffffffffff\n"


def status(*bits: int) -> str:
    return f"Name:\tx\nCapEff:\t{sum(1 << bit for bit in bits):016x}\nCapBnd:\t000001ffffffffff\n"


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-13-amd64", (6, 1)), ("5.8.0", (5, 8)), ("5.10.0+bpo-rt", (5, 10)), ("weird", (0, 0))],
)
def test_kernel_release(release: str, version: tuple[int, int]) -> None:
    assert refusal.kernel_release(release) == version


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (FULL, []),
        (status(38, 39), []),
        (status(21), []),
        (status(38), ["CAP_BPF"]),
        (status(39), ["CAP_PERFMON"]),
        (status(12), ["CAP_BPF", "CAP_PERFMON"]),
        ("Name:\tx\n", ["CAP_BPF", "CAP_PERFMON"]),
    ],
)
def test_missing_capabilities(text: str, missing: list[str]) -> None:
    assert refusal.missing_capabilities(text) == missing


def test_confidential_is_the_chosen_one_of_the_three() -> None:
    assert refusal.confidential("none integrity [confidentiality]\n")
    assert not refusal.confidential("none [integrity] confidentiality\n")


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        ({"release": "5.4.0-42-generic"}, "5.4.0-42-generic is older than 5.8", "newer kernel"),
        ({"status": status(39)}, "lacks CAP_PERFMON", "AmbientCapabilities"),
        ({"btf": False}, "/sys/kernel/btf/vmlinux is missing", "--collector bcc"),
        ({"lockdown": "none integrity [confidentiality]"}, "locked down", "lockdown=integrity"),
    ],
)
def test_each_lack_is_named_with_what_to_do(change: dict[str, object], what: str, remedy: str) -> None:
    machine: dict[str, object] = {"release": "6.1.0", "status": FULL, "btf": True, "lockdown": ""}
    (found,) = refusal.lacks(**(machine | change))  # type: ignore[arg-type]
    assert what in found.what
    assert remedy in found.remedy


def test_a_machine_that_has_all_lacks_nothing() -> None:
    assert not list(refusal.lacks(release="6.1.0", status=FULL, btf=True, lockdown="[none] integrity confidentiality"))


@pytest.mark.parametrize(
    ("number", "release", "what"),
    [
        (errno.EPERM, "5.10.0", "RLIMIT_MEMLOCK"),
        (errno.EPERM, "5.11.0", "refused the program"),
        (errno.ENOENT, "6.1.0", "rollcall.bpf.o"),
        (errno.EINVAL, "6.1.0", "refused the program"),
    ],
)
def test_where_nothing_is_lacking_the_answer_decides(
    monkeypatch: pytest.MonkeyPatch, number: int, release: str, what: str
) -> None:
    monkeypatch.setattr(refusal, "lacks_here", list)
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"release": release}))
    problem = refusal.explain(OSError(number, "can't open rollcall.bpf.o"), "R0 invalid mem access")
    assert what in problem.what
    assert problem.detail == "R0 invalid mem access"
    assert problem.detail in str(problem)
