"""The doctor on this machine, with the probe attached for real."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
import structlog
import typer
from typer.testing import CliRunner

from rollcall_agent.collect import core, headers
from rollcall_agent.command.doctor import doctor, examine
from rollcall_agent.doctor import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.node_lab import NodeLab


@pytest.fixture
def without_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(core, "OBJECT", tmp_path / "missing.o")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    yield
    structlog.reset_defaults()  # the command's log goes to the standard error that the test's runner has closed


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout


def test_as_root_the_probe_is_attached_and_watch_will_work() -> None:
    code, output = run("--output", "json")
    report = json.loads(output)
    assert code == 0
    assert report["watchWorks"]
    (core_, bcc) = report["collectors"]
    assert "attached in" in core_["says"]
    assert core_["gives"]["pinning"]
    assert not bcc["gives"]["pinning"]


@pytest.mark.usefixtures("without_core", "tracefs")
def test_without_core_bcc_is_attached_instead() -> None:
    report = examine([])
    assert report.watch_works
    core_, bcc = report.collectors
    assert not core_.works
    assert "make bpf" in core_.remedy
    assert "attached in" in bcc.says


@pytest.mark.usefixtures("without_core", "tracefs")
def test_without_either_it_says_so_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(headers.SOURCE_VARIABLE, str(tmp_path))
    code, output = run()
    assert code == 1
    shown = " ".join(output.split())
    assert "`rollcall watch` will not work here." in shown
    assert headers.SOURCE_VARIABLE in shown
    assert "make bpf" in shown


def test_a_runtime_is_shown_by_its_own_words_and_a_hung_one_holds_up_nobody(node: NodeLab, tmp_path: Path) -> None:
    path = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        report = examine([node.containerd.endpoint, f"unix://{path}", str(tmp_path / "absent.sock")])
    answers = {answer.endpoint.rpartition("/")[2]: answer for answer in report.runtimes}
    containerd = answers["containerd.sock"]
    assert (containerd.name, containerd.problem) == ("containerd", "")
    assert containerd.version.startswith("1.6.")
    assert containerd.latency_ms is not None
    assert "timed out" in answers["hung.sock"].problem or "no answer" in answers["hung.sock"].problem
    assert "no such socket" in answers["absent.sock"].problem
    (runtimes,) = (finding for finding in report.findings if finding.subject == "runtimes")
    assert runtimes.state is State.OK
