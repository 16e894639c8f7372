"""Whatever is done to the journal, and wherever it is killed: it is what a plain model says, and the books close."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rollcall.record import ContainerCreate, Node, Origin, Resolution, TimeSource
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.journal import IN_HAND, Journal, Reader, Revision, Start, State, open_journal, open_reader

NOW = 1_000_000_000


class Model:
    """The journal as a person would explain it: dictionaries."""

    def __init__(self) -> None:
        self.starts: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, int] = {}
        self.sequence = 0

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    def states(self, *states: State) -> list[str]:
        return [identity for identity, start in self.starts.items() if start["state"] in states]


def some(*states: State) -> Callable[[JournalMachine], bool]:
    return lambda machine: bool(machine.model.states(*states))


class JournalMachine(RuleBasedStateMachine):
    """Each rule is one transaction, on the journal and on the model; a kill throws the open one away on both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model = Model()
        self.journal = self.open()
        self.reader: Reader | None = None

    def open(self) -> Journal:
        journal = open_journal(self.folder / "journal.db", boot_id="b", now=lambda: NOW)
        with journal.transaction():
            journal.open_attach("core", 1, 0, 1, taken_over=True)
        return journal

    @initialize()
    def read_beside(self) -> None:
        self.reader = open_reader(self.folder / "journal.db")

    def teardown(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.journal.close()
        shutil.rmtree(self.folder)

    def row(self, identity: str) -> int:
        (start,) = self.journal.by_container_id(f"container-{identity}")
        return start.row

    @rule(names=st.lists(st.sampled_from("abcdefgh"), max_size=4), origin=st.sampled_from(Origin))
    def add(self, names: list[str], origin: Origin) -> None:
        with self.journal.transaction():
            self.apply_add(self.model, names, origin)

    def apply_add(self, model: Model, names: list[str], origin: Origin) -> None:
        for name in names:
            if origin is Origin.KERNEL:
                self.journal.count("read", attach=1)
            else:
                self.journal.count("listed")
            model.count("in")
            row = self.journal.add(
                Start(
                    identity=name,
                    candidate=ContainerCandidate(container_id=f"container-{name}", runtime="containerd"),
                    boot_id="b",
                    cgroup_id=ord(name),
                    hierarchy=0,
                    origin=origin,
                    read_ns=ord(name),
                )
            )
            assert (row is None) == (name in model.starts)
            if row is None:
                model.count("duplicate")
            else:
                model.starts[name] = {"state": State.PENDING, "revision": Revision.FIRST, "sequence": None, "end": None}

    @rule(n=st.integers(1, 5), reason=st.sampled_from(["conmon", "cut"]))
    def count_none(self, n: int, reason: str) -> None:
        with self.journal.transaction():
            self.journal.count("read", n, attach=1)
            self.journal.count("not_a_root", n, reason=reason)
        self.model.count("in", n)
        self.model.count(f"not_a_root {reason}", n)

    @rule(n=st.integers(1, 5))
    def forfeit(self, n: int) -> None:
        with self.journal.forfeit("disk_full"):
            self.journal.count("listed", n)
            self.journal.count("foreign", n)
        with self.journal.transaction():
            self.journal.count("listed")
            self.journal.count("nested")
        self.model.count("in", n + 1)
        self.model.count("foreign", n)
        self.model.count("nested")

    @precondition(some(State.PENDING))
    @rule(data=st.data(), resolution=st.sampled_from(Resolution), sandbox=st.booleans())
    def resolve(self, data: st.DataObject, resolution: Resolution, *, sandbox: bool) -> None:
        for name in data.draw(subset(self.model.states(State.PENDING))):
            row = self.row(name)
            with self.journal.transaction():
                if sandbox:
                    self.journal.resolve_sandbox(row)
                else:
                    self.journal.resolve(row, record(name, resolution))
            self.model.starts[name]["state"] = State.SANDBOX if sandbox else State.READY

    @precondition(some(State.READY, State.WRITTEN))
    @rule(data=st.data())
    def late(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.model.states(State.READY, State.WRITTEN)))
        row = self.row(name)
        start = self.model.starts[name]
        in_hand = start["state"] is State.READY and start["sequence"] is not None
        with self.journal.transaction():
            assert self.journal.late(row, record(name, Resolution.RESOLVED)) is not in_hand
        if start["state"] is State.WRITTEN:
            start |= {"state": State.READY, "revision": Revision.LATE, "sequence": None}

    @precondition(some(State.READY))
    @rule(limit=st.integers(0, 5))
    def hand_over(self, limit: int) -> None:
        with self.journal.transaction():
            handed = self.journal.next_ready(limit)
        waiting = [name for name in self.model.states(State.READY) if self.model.starts[name]["sequence"] is None]
        assert [start.identity for start in handed] == waiting[:limit]
        assert len(self.journal.unsettled()) <= IN_HAND
        for name in waiting[:limit]:
            self.model.sequence += 1
            self.model.starts[name]["sequence"] = self.model.sequence

    @precondition(lambda machine: any(machine.journal.unsettled()))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        names = data.draw(subset([start.identity for start in self.journal.unsettled()]))
        rows = [self.row(name) for name in names]
        with self.journal.transaction():
            self.journal.settle(rows)
        for name in names:
            self.model.starts[name]["state"] = State.WRITTEN

    @precondition(some(State.PENDING, State.READY))
    @rule(data=st.data(), reason=st.sampled_from(["gone", "refused"]))
    def drop(self, data: st.DataObject, reason: str) -> None:
        name = data.draw(st.sampled_from(self.model.states(State.PENDING, State.READY)))
        row = self.row(name)
        with self.journal.transaction():
            self.journal.drop(row, reason)
        start = self.model.starts[name]
        start["state"] = State.WRITTEN if start["revision"] is Revision.LATE else State.DROPPED
        start["reason"] = reason

    @rule(names=st.lists(st.sampled_from("abcdefghi"), unique=True), at=st.integers(1, 9))
    def end(self, names: list[str], at: int) -> None:
        for name in names:
            known = name in self.model.starts
            with self.journal.transaction():
                self.journal.count("end_read", attach=1)
                assert self.journal.end(ord(name), 0, at, TimeSource.KERNEL) is known
            if known and self.model.starts[name]["end"] is None:
                self.model.starts[name]["end"] = at
            self.model.count("end_matched" if known else "end_unmatched")

    @precondition(some(State.WRITTEN, State.SANDBOX, State.DROPPED))
    @rule(known=st.lists(st.sampled_from("abcdefgh"), max_size=2), older=st.integers(1, 10))
    def forget(self, known: list[str], older: int) -> None:
        gone = [
            name
            for name, start in self.model.starts.items()
            if start["state"] in {State.WRITTEN, State.SANDBOX, State.DROPPED}
            and start["end"] is not None
            and start["end"] < older
            and name not in known
        ]
        with self.journal.transaction():
            assert self.journal.forget_unknown([f"container-{name}" for name in known], older) == len(gone)
        for name in gone:
            start = self.model.starts.pop(name)
            reason = f" {start['reason']}" if start["state"] is State.DROPPED else ""
            self.model.count(f"{start['state']}{reason}")

    @rule(names=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4), order=st.booleans())
    def kill_in_a_transaction(self, names: list[str], *, order: bool) -> None:
        """Go on from a copy of the files as they are in the middle of a transaction: what a kill leaves."""
        killed = Path(tempfile.mkdtemp())

        def run() -> None:
            with self.journal.transaction():
                self.apply_add(deepcopy(self.model), names, Origin.KERNEL)
                for file in ["journal.db", "journal.db-wal"] if order else ["journal.db-wal", "journal.db"]:
                    shutil.copy(self.folder / file, killed)
                raise KeyError

        with pytest.raises(KeyError):
            run()
        self.teardown()
        self.folder = killed
        self.journal = self.open()
        self.read_beside()

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.journal = self.open()

    @invariant()
    def a_reader_beside_sees_the_model_and_books_that_close(self) -> None:
        if self.reader is None:
            return
        books, model = self.reader.books(), self.model
        agent = books.agent

        def of(state: State) -> int:
            return len(model.states(state)) + model.counts.get(state, 0)

        dropped = Counter(str(model.starts[name]["reason"]) for name in model.states(State.DROPPED))
        for reason in ("gone", "refused"):
            dropped[reason] += model.counts.get(f"dropped {reason}", 0)
        assert agent.read + agent.listed == model.counts.get("in", 0)
        assert agent.duplicate == model.counts.get("duplicate", 0)
        assert agent.foreign == model.counts.get("foreign", 0)
        assert agent.nested == model.counts.get("nested", 0)
        assert sum(agent.not_a_root.values()) == sum(
            model.counts.get(f"not_a_root {reason}", 0) for reason in ("conmon", "cut")
        )
        assert (agent.pending, agent.ready, agent.written, agent.sandbox) == (
            of(State.PENDING),
            of(State.READY),
            of(State.WRITTEN),
            of(State.SANDBOX),
        )
        assert agent.dropped == +dropped
        assert (agent.end_matched, agent.end_unmatched) == (
            model.counts.get("end_matched", 0),
            model.counts.get("end_unmatched", 0),
        )
        assert agent.difference == 0
        assert agent.end_difference == 0
        assert {
            start.identity: (start.state, start.revision, start.sequence, start.ended_ns)
            for start in self.reader.events()
        } == {
            name: (start["state"], start["revision"], start["sequence"], start["end"])
            for name, start in model.starts.items()
        }
        in_hand = {start["sequence"] for start in model.starts.values() if start["state"] is State.READY} - {None}
        assert books.settled_up_to == min([sequence - 1 for sequence in in_hand], default=model.sequence)


def subset(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, unique=True)


def record(name: str, resolution: Resolution) -> ContainerCreate:
    return ContainerCreate(
        identity=name, container_id=f"container-{name}", node=Node(name="n", boot_id="b"), resolution=resolution
    )


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
