"""Which collector is opened, and what is said where none can be."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from rollcall_agent.collect import bcc, choose
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.collect.problem import CollectorProblem

HERE = Hierarchy(id=0, version=2, mount=Path("/sys/fs/cgroup"))


def works(name: str) -> SimpleNamespace:
    return SimpleNamespace(attach=lambda *_, **__: name)


def fails(name: str) -> SimpleNamespace:
    def attach(*_: object, **__: object) -> None:
        raise CollectorProblem(f"{name} is broken.", f"Mend {name}.", detail=f"log of {name}")

    return SimpleNamespace(attach=attach)


@pytest.fixture
def both_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "CoreCollector", fails("CO-RE"))
    monkeypatch.setattr(choose, "BccCollector", fails("bcc"))


def test_auto_takes_core_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "CoreCollector", works("core"))
    monkeypatch.setattr(choose, "BccCollector", fails("bcc"))
    with capture_logs() as logs:
        assert choose.open_collector("auto", hierarchy=HERE, attach_number=1) == "core"  # type: ignore[comparison-overlap]
    assert logs == []


def test_auto_falls_back_with_one_line_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "CoreCollector", fails("CO-RE"))
    monkeypatch.setattr(choose, "BccCollector", works("bcc"))
    with capture_logs() as logs:
        assert choose.open_collector("auto", hierarchy=HERE, attach_number=1) == "bcc"  # type: ignore[comparison-overlap]
    (line,) = logs
    assert line["log_level"] == "warning"
    assert (line["reason"], line["remedy"]) == ("CO-RE is broken.", "Mend CO-RE.")


@pytest.mark.usefixtures("both_fail")
def test_where_neither_works_both_are_named() -> None:
    with pytest.raises(CollectorProblem) as caught:
        choose.open_collector("auto", hierarchy=HERE, attach_number=1)
    for words in ("CO-RE is broken.", "bcc is broken.", "Mend CO-RE.", "Mend bcc.", "log of CO-RE", "log of bcc"):
        assert words in str(caught.value)


@pytest.mark.usefixtures("both_fail")
def test_the_one_that_was_asked_for_is_the_only_one_tried() -> None:
    for kind, name, other in (("core", "CO-RE", "bcc"), ("bcc", "bcc", "CO-RE")):
        with pytest.raises(CollectorProblem) as caught:
            choose.open_collector(kind, hierarchy=HERE, attach_number=1)  # type: ignore[arg-type]
        assert name in caught.value.what
        assert other not in str(caught.value)


@pytest.mark.usefixtures("both_fail")
def test_pins_are_never_given_up_for_bcc(tmp_path: Path) -> None:
    with pytest.raises(CollectorProblem, match="bcc can't pin"):
        choose.open_collector("bcc", hierarchy=HERE, attach_number=1, pin=tmp_path)
    with pytest.raises(CollectorProblem, match="CO-RE is broken"):
        choose.open_collector("auto", hierarchy=HERE, attach_number=1, pin=tmp_path)


def test_bcc_missing_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bcc, "_DISTRIBUTION", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(CollectorProblem, match="python3-bpfcc"):
        bcc.load_bcc()


def test_another_project_of_that_name_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bcc, "_DISTRIBUTION", str(tmp_path))
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc/__init__.py").write_text('"""An invertible lattice."""\n')
    with pytest.raises(CollectorProblem, match="is not the BPF Compiler Collection"):
        bcc.load_bcc()
    assert "bcc" not in sys.modules


def test_tracefs_that_is_not_mounted_says_how_to_mount_it(tmp_path: Path) -> None:
    with pytest.raises(CollectorProblem, match=f"mount -t tracefs tracefs {tmp_path}"):
        bcc.find_tracefs((tmp_path / "debug", tmp_path))


def test_tracefs_is_found_in_the_second_place(tmp_path: Path) -> None:
    (tmp_path / "events/cgroup/cgroup_mkdir").mkdir(parents=True)
    (tmp_path / "events/cgroup/cgroup_mkdir/id").write_text("300\n")
    assert bcc.find_tracefs((tmp_path / "debug", tmp_path)) == tmp_path / "events/cgroup"
