"""Pins: nothing is missed while nobody reads, and nobody else's probe is ever taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from lab.reading import closed_books, drain, read_until
from rollcall_agent.collect import core, wire
from rollcall_agent.collect.core import CoreCollector, unpin
from rollcall_agent.collect.event import CgroupEvent, Kind
from rollcall_agent.collect.problem import CollectorProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollcall_agent.collect.hierarchy import Hierarchy

    Open = Callable[..., CoreCollector]

HOLD = """
import select, signal, sys
from pathlib import Path
from rollcall_agent.collect.core import CoreCollector
from rollcall_agent.collect.hierarchy import Hierarchy

number, mount, pin, wanted = sys.argv[1:]
hierarchy = Hierarchy(id=int(number), version=1, mount=Path(mount))
collector = CoreCollector.attach(hierarchy, attach_number=41, pin=Path(pin))
print("attached", flush=True)
while (wanted := int(wanted) - len(collector.read(int(wanted)))) > 0:
    select.select([collector], [], [])
collector.acknowledge()
collector.read(5)  # never acknowledged
print("read", flush=True)
signal.pause()
"""


@pytest.fixture
def pin(bpffs: Path) -> Path:
    return bpffs / "rollcall"


@pytest.fixture
def opening(hierarchy: Hierarchy, pin: Path) -> Iterator[Callable[..., CoreCollector]]:
    """Attach with pins; whatever is still open closes with the test."""
    with ExitStack() as closing:

        def attach(**options: object) -> CoreCollector:
            options = {"hierarchy": hierarchy, "attach_number": 1, "pin": pin} | options
            return closing.enter_context(open_until_closed(options))

        yield attach


@contextmanager
def open_until_closed(options: dict[str, object]) -> Iterator[CoreCollector]:
    collector = CoreCollector.attach(**options)  # type: ignore[arg-type]
    collector_close = collector.close
    closed: list[bool] = []

    def close() -> None:
        if not closed:
            closed.append(True)
            collector_close()

    collector.close = close  # type: ignore[method-assign]
    yield collector
    close()


def make(hierarchy: Hierarchy, *names: str) -> list[int]:
    for name in names:
        (hierarchy.mount / name).mkdir()
    return [(hierarchy.mount / name).stat().st_ino for name in names]


def ids(events: list[CgroupEvent]) -> list[int]:
    return [event.cgroup_id for event in events if event.kind is Kind.START]


def test_a_killed_reader_leaves_to_the_next_one_exactly_what_it_had_not_acknowledged(
    hierarchy: Hierarchy, pin: Path, opening: Open
) -> None:
    command = [sys.executable, "-c", HOLD, str(hierarchy.id), str(hierarchy.mount), str(pin), "10"]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "attached\n"
        before = make(hierarchy, *(f"a{number}" for number in range(20)))
        assert child.stdout.readline() == "read\n"
        child.send_signal(signal.SIGKILL)
    between = make(hierarchy, *(f"b{number}" for number in range(100)))
    collector = opening(attach_number=42)
    assert collector.adopted
    assert collector.attach_number == 41
    after = make(hierarchy, "c")
    events = read_until(collector, lambda events: len(events) >= 111)
    assert ids(events) == [*before[10:], *between, *after]
    assert {event.attach for event in events} == {41}
    assert closed_books(collector).mkdirs.submitted == 121
    collector.close()
    again = opening()
    assert again.adopted
    assert again.read(10) == []


def test_a_second_process_on_the_same_pins_is_refused(opening: Open) -> None:
    first = opening()
    with pytest.raises(CollectorProblem, match="Another process uses the pins"):
        opening()
    first.close()
    assert opening().adopted


def test_a_taken_over_probe_forgets_the_limits_of_roots_that_may_have_ended(opening: Open) -> None:
    first = opening()
    for number in range(1, 40):
        first.limit_below(number << 40)
    first.close()
    again = opening()
    assert again.adopted
    roots = again._maps["roots"]
    assert again._libbpf.keys(roots, 8) == []
    again.limit_below(7)
    assert again._libbpf.keys(roots, 8) == [(7).to_bytes(8, sys.byteorder)]


def test_a_refusal_leaves_the_directory_unlocked(
    hierarchy: Hierarchy, opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(core, "OBJECT", core.OBJECT.with_name("missing.o"))
        with pytest.raises(CollectorProblem, match="make bpf"):
            opening()
    collector = opening()
    made = make(hierarchy, "seen")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == made


def test_another_hierarchys_pins_are_not_taken_over(hierarchy: Hierarchy, opening: Open) -> None:
    opening(hierarchy=type(hierarchy)(id=hierarchy.id + 1000, version=1, mount=hierarchy.mount)).close()
    collector = opening(attach_number=2)
    assert not collector.adopted
    made = make(hierarchy, "seen")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == made


def test_a_directory_that_others_can_write_is_refused(pin: Path, opening: Open) -> None:
    opening().close()
    (kept,) = pin.iterdir()
    kept.chmod(0o722)
    with pytest.raises(CollectorProblem, match="others could plant"):
        opening()
    kept.chmod(0o700)
    pin.chmod(0o777)
    with pytest.raises(CollectorProblem, match="others could plant"):
        opening()
    pin.chmod(0o700)
    os.chown(pin, 65534, 65534)
    with pytest.raises(CollectorProblem, match="belongs to uid 65534"):
        opening()
    os.chown(pin, 0, 0)
    assert opening().adopted


def test_a_directory_on_another_file_system_is_refused_and_not_made(tmp_path: Path, opening: Open) -> None:
    with pytest.raises(CollectorProblem, match="not on a bpffs"):
        opening(pin=tmp_path / "pins")
    assert not (tmp_path / "pins").exists()
    with pytest.raises(CollectorProblem, match="not on a bpffs"):
        unpin(tmp_path / "pins")
    with pytest.raises(CollectorProblem, match="can't be made or opened"):
        opening(pin=tmp_path / "no/parent")


@pytest.fixture
def variant(tmp_path: Path) -> Callable[[str, str], Path]:
    """Build another release's program: the sources with one change in them."""

    def build(old: str, new: str) -> Path:
        for name in ("rollcall.bpf.c", "rollcall.h"):
            text = (core.OBJECT.resolve().parents[4] / "bpf" / name).read_text()
            (tmp_path / name).write_text(text.replace(old, new))
        headers = f"/usr/include/{os.uname().machine}-linux-gnu"
        subprocess.run(
            [
                *("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-idirafter", headers),
                *("-c", str(tmp_path / "rollcall.bpf.c"), "-o", str(tmp_path / "variant.o")),
            ],
            check=True,
        )
        return tmp_path / "variant.o"

    return build


def left_by(variant: Path, hierarchy: Hierarchy, pin: Path, name: str, schema: int = 1) -> list[int]:
    """Attach a variant with pins, make two directories, and go away without reading."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(core, "OBJECT", variant)
        patched.setattr(wire, "SCHEMA", schema)
        collector = CoreCollector.attach(hierarchy, attach_number=40, pin=pin)
    made = make(hierarchy, f"{name}1", f"{name}2")
    collector.close()
    return made


def test_an_older_program_is_drained_by_the_decoder_of_its_schema_and_removed(
    hierarchy: Hierarchy, pin: Path, opening: Open, variant: Callable[[str, str], Path]
) -> None:
    held = left_by(variant("#define MAX_ANCESTORS 16", "#define MAX_ANCESTORS 15"), hierarchy, pin, "old")
    collector = opening(attach_number=41)
    assert not collector.adopted
    assert not collector.drained_to(collector.position())
    both = make(hierarchy, "seen-by-both")
    events: list[CgroupEvent] = []
    drain(collector, events)
    assert [(event.attach, event.cgroup_id) for event in events] == [
        *((40, number) for number in (*held, *both)),
        *((41, number) for number in both),
    ]
    assert len(list(pin.iterdir())) == 1
    assert collector.leftovers == []
    (last,) = collector.drained()
    assert (last.attach, last.mkdirs.submitted, last.balanced) == (40, 3, True)
    assert collector.drained() == []  # handed over once
    alone = make(hierarchy, "seen-by-the-new-one")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == alone
    collector.close()
    assert opening().adopted


def test_an_older_program_is_drained_by_the_next_process_if_this_one_dies_first(
    hierarchy: Hierarchy, pin: Path, opening: Open, variant: Callable[[str, str], Path]
) -> None:
    held = left_by(variant("#define MAX_ANCESTORS 16", "#define MAX_ANCESTORS 15"), hierarchy, pin, "old")
    first = opening(attach_number=41)
    assert ids(first.read(1)) == held[:1]
    first.close()
    events: list[CgroupEvent] = []
    drain(opening(), events)
    assert ids(events) == held


def test_a_schema_that_nobody_knows_is_removed_and_named(
    hierarchy: Hierarchy, pin: Path, opening: Open, variant: Callable[[str, str], Path]
) -> None:
    left_by(variant("#define SCHEMA 1", "#define SCHEMA 99"), hierarchy, pin, "new", schema=99)
    (left,) = pin.iterdir()
    assert left.name.startswith("v99-")
    collector = opening()
    assert collector.leftovers == [left.name]
    assert not left.exists()
    made = make(hierarchy, "seen")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == made


def test_another_program_under_our_name_is_refused(
    hierarchy: Hierarchy, pin: Path, opening: Open, variant: Callable[[str, str], Path]
) -> None:
    opening().close()
    (ours,) = pin.iterdir()
    unpin(pin)
    held = left_by(
        variant("enum kind { START = 1, END = 2 }", "enum kind { END = 1, START = 2 }"), hierarchy, pin, "lie"
    )
    (planted,) = pin.iterdir()
    planted.rename(ours)
    collector = opening()
    assert not collector.adopted
    assert collector.leftovers == [ours.name]
    made = make(hierarchy, "seen")
    events = read_until(collector, lambda events: len(events) >= 1)
    assert ids(events) == made
    assert not set(held) & set(ids(events))


def test_a_planted_ring_that_our_program_does_not_fill_is_refused(
    hierarchy: Hierarchy, pin: Path, opening: Open
) -> None:
    opening().close()
    opening(pin=pin.with_name("theirs")).close()
    (ours,), (theirs,) = pin.iterdir(), pin.with_name("theirs").iterdir()
    (ours / "events").unlink()
    (theirs / "events").rename(ours / "events")
    collector = opening()
    assert not collector.adopted
    assert collector.leftovers == [ours.name]
    made = make(hierarchy, "seen")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == made


def test_a_planted_map_of_another_shape_is_refused(
    hierarchy: Hierarchy, pin: Path, opening: Open, variant: Callable[[str, str], Path]
) -> None:
    opening().close()
    (ours,) = pin.iterdir()
    left_by(variant("__u64 ends;", "__u64 ends, more;"), hierarchy, pin.with_name("theirs"), "other")
    (other,) = pin.with_name("theirs").iterdir()
    assert other.name == ours.name  # a program's tag does not tell the shape of its maps
    (ours / "roots").unlink()
    (other / "roots").rename(ours / "roots")
    collector = opening()
    assert not collector.adopted
    assert collector.leftovers == [ours.name]


def test_an_unfinished_set_is_replaced(hierarchy: Hierarchy, pin: Path, opening: Open) -> None:
    opening().close()
    (ours,) = pin.iterdir()
    (ours / "cgroup_removed_link").unlink()
    collector = opening()
    assert not collector.adopted
    made = make(hierarchy, "seen")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == made
    collector.close()
    assert opening().adopted


def test_unpin_removes_all_and_the_probe_with_it(hierarchy: Hierarchy, pin: Path, opening: Open) -> None:
    collector = opening()
    with pytest.raises(CollectorProblem, match="Another process uses the pins"):
        unpin(pin)
    collector.close()
    (ours,) = pin.iterdir()
    assert unpin(pin) == [ours.name]
    assert not pin.exists()
    make(hierarchy, "unseen")
    again = opening(attach_number=2)
    assert not again.adopted
    seen = make(hierarchy, "seen")
    assert ids(read_until(again, lambda events: len(events) >= 1)) == seen


def test_unpin_leaves_the_root_of_a_bpffs(bpffs: Path, opening: Open) -> None:
    opening(pin=bpffs).close()
    (removed,) = unpin(bpffs)
    assert bpffs.is_dir()
    assert not (bpffs / removed).exists()


def test_a_pinned_probe_goes_quiet_by_itself(
    hierarchy: Hierarchy, opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(wire, "QUIET_AFTER_NS", -1)
        opening().close()
    make(hierarchy, "unheard")
    collector = opening()
    assert collector.adopted
    heard = make(hierarchy, "heard")
    assert ids(read_until(collector, lambda events: len(events) >= 1)) == heard
    assert closed_books(collector).mkdirs.quiet == 1
