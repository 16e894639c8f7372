"""What bcc's collector says where it can't work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lab.reading import read_until
from rollcall_agent.collect import bcc, core
from rollcall_agent.collect.choose import open_collector
from rollcall_agent.collect.problem import CollectorProblem

if TYPE_CHECKING:
    from rollcall_agent.collect.event import Collector
    from rollcall_agent.collect.hierarchy import Hierarchy


@pytest.mark.usefixtures("tracefs")
def test_what_the_compiler_says_is_kept_and_not_printed(
    hierarchy: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "rollcall.bcc.c"
    broken.write_bytes(bcc.SOURCE.read_bytes().replace(b"args->level", b"args->lvl", 1))
    (tmp_path / "rollcall.h").write_bytes(bcc.SOURCE.with_name("rollcall.h").read_bytes())
    monkeypatch.setattr(bcc, "SOURCE", broken)
    with pytest.raises(CollectorProblem, match="could not compile the program against") as caught:
        bcc.BccCollector.attach(hierarchy, attach_number=1)
    assert "no member named 'lvl'" in caught.value.detail
    assert "--collector core" in caught.value.remedy
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("tracefs")
def test_what_the_verifier_says_is_kept(hierarchy: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsafe = tmp_path / "rollcall.bcc.c"
    unsafe.write_bytes(
        bcc.SOURCE.read_bytes().replace(b"(path_bytes & (PATH_MAX_BYTES - 1)), 0", b"64 * path_bytes, 0", 1)
    )
    (tmp_path / "rollcall.h").write_bytes(bcc.SOURCE.with_name("rollcall.h").read_bytes())
    monkeypatch.setattr(bcc, "SOURCE", unsafe)
    with pytest.raises(CollectorProblem, match="could not load the program") as caught:
        bcc.BccCollector.attach(hierarchy, attach_number=1)
    assert "invalid access to map value" in caught.value.detail


@pytest.mark.usefixtures("tracefs")
def test_headers_that_are_none_are_named(hierarchy: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path))
    with pytest.raises(CollectorProblem, match=str(tmp_path)):
        bcc.BccCollector.attach(hierarchy, attach_number=1)


def test_tracefs_that_is_missing_is_named(
    hierarchy: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bcc.find_tracefs, "__defaults__", ((tmp_path,),))
    with pytest.raises(CollectorProblem, match="mount -t tracefs"):
        bcc.BccCollector.attach(hierarchy, attach_number=1)


@pytest.mark.usefixtures("tracefs")
def test_auto_falls_back_to_it_and_it_sees(
    hierarchy: Hierarchy, opened: list[Collector], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "OBJECT", tmp_path / "missing.o")
    with capture_logs() as logs:
        collector = open_collector("auto", hierarchy=hierarchy, attach_number=1)
    opened.append(collector)
    assert collector.name == "bcc"
    (line,) = (line for line in logs if line["log_level"] == "warning")
    assert "missing.o" in line["reason"]
    (hierarchy.mount / "seen").mkdir()
    (event,) = read_until(collector, lambda events: len(events) >= 1)
    assert event.path == b"/seen"
