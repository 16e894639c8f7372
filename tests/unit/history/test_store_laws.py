"""The store under random starts, late answers, ends, edits and crashes: counts are those of a plain recount."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lab.history import Machine, digest
from rollcall.judge import Result
from rollcall.violations import Change, State

IMAGES = st.sampled_from(["ghcr.io/acme/app:1", "ghcr.io/acme/app:2", "evil.test/app:1", "other.test/x/y:3"])
LETTERS = st.sampled_from("abc")
POLICIES = {
    "allow": """
        apiVersion: rollcall.dev/v1alpha1
        kind: ImageAdmissionPolicy
        metadata: {name: allow}
        spec:
          match: {outsideKubernetes: true}
          rules: [{name: ours, effect: Allow, images: [ghcr.io/acme/**]}]
    """,
    "deny": """
        apiVersion: rollcall.dev/v1alpha1
        kind: ImageAdmissionPolicy
        metadata: {name: deny}
        spec:
          match: {outsideKubernetes: true}
          rules: [{name: bad, effect: Deny, images: [evil.test/**]}]
    """,
    "broken": "spec: [",
}


class Told:
    """What was handed out of one start, as an obvious model has it: the key of its record, and whether it lives."""

    def __init__(self, number: int, row: int) -> None:
        self.number = number
        self.row = row
        self.key: tuple[str, str] = ("", "unresolved")
        self.handed = False
        self.unresolved = True
        self.ended = False


class Store(RuleBasedStateMachine):
    """One journal with its history. A crash goes on from a copy of the file as it was at some commit."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.machine = Machine(self.folder / "journal.db", policies=self.folder / "policies")
        self.starts: list[Told] = []
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            self.machine.close()
            shutil.rmtree(self.folder)

    @rule(image=IMAGES, letter=LETTERS)
    def starts_and_is_answered(self, image: str, letter: str) -> None:
        self.number += 1
        told = Told(self.number, self.machine.add(self.number, image, letter))
        told.key, told.unresolved = (image.rpartition(":")[0], digest(letter)), False
        self.starts.append(told)

    @rule()
    def starts_and_nobody_answers(self) -> None:
        self.number += 1
        self.starts.append(Told(self.number, self.machine.add(self.number, None, None)))

    @rule(at=st.integers(0, 1 << 16), image=IMAGES, letter=LETTERS)
    def is_answered_late(self, at: int, image: str, letter: str) -> None:
        waiting = [each for each in self.starts if each.unresolved]
        if waiting:
            told = waiting[at % len(waiting)]
            if self.machine.late(told.row, told.number, image, letter):
                told.key, told.unresolved, told.handed = (image.rpartition(":")[0], digest(letter)), False, False

    @rule()
    def is_handed(self) -> None:
        for record, _ in self.machine.hand():
            next(each for each in self.starts if record.container_id == f"{each.number:064x}").handed = True

    @rule()
    def is_settled(self) -> None:
        self.machine.settle()

    @rule()
    def is_rolled_back(self) -> None:
        """The disk fails in the transaction that hands over."""
        try:
            with self.machine.journal.transaction():
                self.machine._take(self.machine.journal.next_ready())
                raise ZeroDivisionError  # noqa: TRY301  # what a disk would raise in here
        except ZeroDivisionError:
            self.machine.keeper.recall()

    @rule(at=st.integers(0, 1 << 16))
    def ends(self, at: int) -> None:
        if self.starts:
            told = self.starts[at % len(self.starts)]
            told.ended = True
            self.machine.end(told.row)

    @rule(name=st.sampled_from(["a", "b"]), policy=st.sampled_from([*POLICIES, None]))
    def is_edited(self, name: str, policy: str | None) -> None:
        path = self.folder / "policies" / f"{name}.yaml"
        if policy is None:
            path.unlink(missing_ok=True)
        else:
            self.machine.write(path.name, POLICIES[policy])

    @rule()
    def ticks(self) -> None:
        self.machine.tick()

    @rule()
    def is_killed(self) -> None:
        """What a kill leaves is the file and its log as they are between two commits."""
        copy = Path(tempfile.mkdtemp())
        for path in self.folder.glob("journal.db*"):
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copy(path, copy / path.name)
        (self.folder / "policies").rename(copy / "policies")
        self.machine.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.machine = Machine(copy / "journal.db", policies=copy / "policies")
        self.machine.again()

    @invariant()
    def counts_are_those_of_a_recount(self) -> None:
        if not hasattr(self, "machine"):
            return
        # A late answer counts once it is handed: until then its start stands where the first answer put it.
        with self.machine.reader() as reader:
            kept = {each.identity: each for each in reader.starts()}
        wanted: Counter[tuple[str, str]] = Counter()
        for told in self.starts:
            its = kept.get(f"identity{told.number:018d}")
            if told.handed:
                assert its is not None
                wanted[told.key] += 1
            elif its is not None:
                assert its.record.resolution == "Unresolved"
                wanted["", "unresolved"] += 1
        assert self.machine.counts() == wanted

    @invariant()
    def violations_are_those_of_what_lives_and_fails(self) -> None:
        """Once all is done that is due."""
        if not hasattr(self, "machine"):
            return
        self.machine.tick()
        alive = {f"identity{each.number:018d}" for each in self.starts if not each.ended}
        wanted: Counter[str] = Counter()
        with self.machine.reader() as reader:
            for kept in reader.starts():
                if kept.identity in alive and kept.verdict is not None:
                    wanted.update(
                        f"{each.policy}/{each.rule}/{kept.record.image.reference and kept.record.image.reference.name}"
                        for each in kept.verdict.failing
                        if each.result is Result.VIOLATION
                    )
            found: Counter[str] = Counter()
            for each in reader.violations(states=[State.OPEN]):
                found[f"{each.key.policy}/{each.key.rule}/{each.key.repository or None}"] += each.containers
        assert found == wanted

    @invariant()
    def openings_and_ends_alternate(self) -> None:
        if not hasattr(self, "machine"):
            return
        rows = self.machine.journal.connection.execute("SELECT violation, transition FROM untold ORDER BY id")
        last: dict[str, str] = {}
        for name, transition in rows:
            change = transition.decode().partition('"change":"')[2].partition('"')[0]
            if change != Change.REPEATED:
                assert last.get(name) != change
                last[name] = change


Store.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStore = Store.TestCase
