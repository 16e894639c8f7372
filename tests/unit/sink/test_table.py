"""The live table: what fits, what is left out, and that nothing hostile reaches the terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rollcall.judge import Cause, Result, Ruling, Verdict
from rollcall.record import Container, ContainerCreate, Image, Node, Pod, Resolution
from rollcall.violations import Change, Key, Transition, Violation
from rollcall_agent.sink.table import Table, cells


def a_record(**changes: object) -> ContainerCreate:
    parts: dict[str, object] = {
        "identity": "a" * 26,
        "container_id": "c" * 64,
        "node": Node(name="n", boot_id="b"),
        "resolution": Resolution.RESOLVED,
        "ctime": "2026-11-24T11:52:08.520123Z",
        "image": Image(requested="docker.io/library/nginx:1", short_digest="9791ef989cbe"),
        "container": Container(name="web"),
        "pod": Pod(name="shop-1", namespace="shop", sandbox=False),
    }
    return ContainerCreate(**parts | changes)  # type: ignore[arg-type]  # the parts' types are those of the record


def line(record: ContainerCreate, columns: int, *, colour: bool = False) -> str:
    return Table(columns, colour=colour).line(record).decode()


def test_a_wide_terminal_shows_every_column() -> None:
    shown = line(a_record(), 160)
    for text in ("11:52:08.520", "shop/shop-1", "web", "docker.io/library/nginx:1", "9791ef989cbe", "Resolved"):
        assert text in shown


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_a_line_fits_the_terminal(columns: int) -> None:
    table = Table(columns, colour=False)
    record = a_record(image=Image(requested="r/" + "x" * 300, short_digest="9791ef989cbe"))
    for raw in (table.header(), table.line(record)):
        assert cell_len(raw.decode().rstrip("\n")) <= columns


def test_a_narrow_terminal_keeps_whose_image_digest_and_answer() -> None:
    header = Table(80, colour=False).header().decode().split()
    assert header[-4:] == ["WHOSE", "IMAGE", "DIGEST", "ANSWER"] or header[-5:] == [
        "WHOSE",
        "CONTAINER",
        "IMAGE",
        "DIGEST",
        "ANSWER",
    ]


def test_a_text_that_is_cut_says_so() -> None:
    assert "…" in line(a_record(image=Image(requested="registry.example/" + "x" * 100)), 120)


def test_a_sandbox_has_no_container_name_and_a_nested_one_says_in_which_it_lies() -> None:
    assert cells(a_record(pod=Pod(name="p", namespace="n", sandbox=True)))["CONTAINER"] == "(sandbox)"
    assert cells(a_record(pod=Pod(), nested_below="d" * 64))["WHOSE"] == "in dddddddddddd"
    assert cells(a_record(pod=Pod(sandbox=False)))["WHOSE"] == "(no pod)"


@given(st.text(max_size=80))
def test_nothing_that_a_terminal_acts_on_comes_through(text: str) -> None:
    record = a_record(
        image=Image(requested=text), container=Container(name=text), pod=Pod(name=text, namespace=text), reason=text
    )
    shown = line(record, 160)
    assert shown.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", shown)


DENIED = Verdict(
    result=Result.VIOLATION,
    deciding=(Ruling(policy="known", rule="bad", result=Result.VIOLATION, cause=Cause.DENIED, message="m"),),
    message="it is bad",
)


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_the_verdict_is_shown_by_word_and_by_colour_on_any_terminal(columns: int) -> None:
    table = Table(columns, colour=False, judged=True)
    shown = table.line(a_record(), DENIED).decode()
    assert "Violation" in shown
    assert cell_len(shown.rstrip("\n")) <= columns
    assert "VERDICT" in table.header().decode().split()
    assert "\x1b[1;31mViolation" in Table(columns, colour=True, judged=True).line(a_record(), DENIED).decode()


def test_without_policies_there_is_no_verdict() -> None:
    table = Table(200, colour=False)
    assert "VERDICT" not in table.header().decode()
    assert not table.tells


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_told_of_a_violation_is_one_harmless_line(image: str, container: str) -> None:
    key = Key(policy="known", rule="bad", namespace="shop", container=container)
    violation = Violation(key=key, image=image, message="a Deny rule matches")
    told = Transition(change=Change.OPENED, violation=violation, at="2026-11-24T11:52:08.520123Z")
    shown = Table(100, colour=False, judged=True).alert(told).decode()
    assert shown.startswith("11:52:08.520 violation opened: known/bad, shop")
    assert shown.count("\n") == 1
    assert shown[:-1].isprintable()
