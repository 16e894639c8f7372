"""The book: every violation and every start that lives and fails, with what is quickly found in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from rollcall.violations.model import EXCESS, Key, Member, NodeState, State, Transition, Violation

MOST_OVER: Final = 10_000
"""Violations that are over and still in the book, so that they reopen as the same; older ones are forgotten."""

Place = tuple[str, str]
"""Node and identity of a start."""

TOLD: Final = frozenset({State.OPEN, State.UNKNOWN})
"""States in which a violation is told by itself, and counts for the cap."""


class Step(Struct, frozen=True, kw_only=True):
    """What one input changes: rows by their keys, None for a row that goes, and what is to be told, in order."""

    violations: Mapping[Key, Violation | None] = {}
    members: Mapping[Place, Member | None] = {}
    nodes: Mapping[str, NodeState | None] = {}
    transitions: tuple[Transition, ...] = ()


class Book:
    """The rows as they are committed, and indexes that follow from them.

    There is one member for each container that lives and fails, and one violation that is not over for each rule that
    these fail: so much as nodes can run. Of what is over, `MOST_OVER` are kept.
    """

    def __init__(
        self,
        violations: Iterable[Violation] = (),
        members: Iterable[Member] = (),
        nodes: Mapping[str, NodeState] | None = None,
    ) -> None:
        """Make a book of rows that were stored, in any order."""
        self.violations: dict[Key, Violation] = {}
        self.members: dict[str, dict[str, Member]] = {}
        self.nodes: dict[str, NodeState] = dict(nodes or {})
        self.over: dict[Key, None] = {}
        """Violations that are over, the longest first."""
        self.told: Counter[str] = Counter()
        """How many violations of a namespace are told by themselves."""
        self.waiting: defaultdict[str, set[Key]] = defaultdict(set)
        """Violations that wait, by namespace."""
        self.alive: dict[Key, Counter[str]] = {}
        """How many containers that live fail by this key, by node."""
        for violation in sorted(violations, key=lambda each: (each.since, each.key)):
            self._put_violation(violation.key, violation)
        for member in members:
            self._put_member((member.node, member.start), member)

    def accept(self, step: Step) -> None:
        """Make the changes of a step that was made from this book as it is."""
        for key, violation in step.violations.items():
            self._put_violation(key, violation)
        for place, member in step.members.items():
            self._put_member(place, member)
        for node, state in step.nodes.items():
            if state is None:
                self.nodes.pop(node, None)
            else:
                self.nodes[node] = state

    def _put_violation(self, key: Key, new: Violation | None) -> None:
        old = self.violations.pop(key, None)
        if old is not None:
            self._index(old, -1)
        if new is not None:
            self.violations[key] = new
            self._index(new, 1)

    def _index(self, violation: Violation, by: int) -> None:
        key, state = violation.key, violation.state
        if state is State.OVER:
            if by > 0:
                self.over[key] = None
            else:
                del self.over[key]
        elif state is State.WAITING:
            waiting = self.waiting[key.namespace]
            waiting.add(key) if by > 0 else waiting.discard(key)
            if not waiting:
                del self.waiting[key.namespace]
        elif key.rule != EXCESS:
            self.told[key.namespace] += by
            if not self.told[key.namespace]:
                del self.told[key.namespace]

    def _put_member(self, place: Place, new: Member | None) -> None:
        node, start = place
        members = self.members.setdefault(node, {})
        old = members.pop(start, None)
        if new is not None:
            members[start] = new
        elif not members:
            del self.members[node]
        for key in old.keys if old is not None else ():
            self.alive[key][node] -= 1
            if not self.alive[key][node]:
                del self.alive[key][node]
        for key in new.keys if new is not None else ():
            self.alive.setdefault(key, Counter())[node] += 1
        for key in old.keys if old is not None else ():
            if not self.alive[key]:
                del self.alive[key]
