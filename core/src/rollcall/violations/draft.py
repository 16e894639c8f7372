"""A step in the making: reads a book through what it has changed so far, and drives violations by their table."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from msgspec.structs import replace

from rollcall.violations.book import MOST_OVER, TOLD, Book, Place, Step
from rollcall.violations.model import EXCESS, Change, End, Key, Member, NodeState, State, Transition, Violation
from rollcall.violations.table import TRANSITIONS, Happening


class Draft:
    """Changes to a book that nobody has seen yet. `now` is the time of all that it tells, RFC 3339."""

    def __init__(self, book: Book, now: str) -> None:
        self._book = book
        self._now = now
        self._violations: dict[Key, Violation | None] = {}
        self._members: dict[Place, Member | None] = {}
        self._nodes: dict[str, NodeState | None] = {}
        self._alive: dict[Key, Counter[str]] = {}
        self._told: dict[str, int] = {}
        self._waiting: dict[str, set[Key]] = {}
        self._transitions: list[Transition] = []

    def step(self) -> Step:
        """Give what it came to, and forget what is over for the longest where that is too much."""
        self._forget()
        book = self._book
        return Step(
            violations={key: each for key, each in self._violations.items() if each != book.violations.get(key)},
            members={(n, s): each for (n, s), each in self._members.items() if each != book.members.get(n, {}).get(s)},
            nodes={node: each for node, each in self._nodes.items() if each != book.nodes.get(node)},
            transitions=tuple(self._transitions),
        )

    def violation(self, key: Key) -> Violation:
        """Return a violation; one never seen is over."""
        return self._violations.get(key) or self._book.violations.get(key) or Violation(key=key)

    def put(self, violation: Violation) -> None:
        """Change what is said of a violation, and not its state."""
        self._violations[violation.key] = violation

    def member(self, node: str, start: str) -> Member | None:
        """Return a start that lives and fails."""
        place = (node, start)
        return self._members[place] if place in self._members else self._book.members.get(node, {}).get(start)

    def members(self, node: str) -> list[Member]:
        """Return those of a node, as the book has them."""
        return list(self._book.members.get(node, {}).values())

    def members_in(self, namespace: str) -> list[Member]:
        """Return those of a namespace, as the book has them."""
        return [each for node in self._book.members.values() for each in node.values() if each.namespace == namespace]

    def put_member(self, node: str, start: str, member: Member | None) -> None:
        """Add, change or remove one."""
        old = self.member(node, start)
        before, after = set(old.keys if old is not None else ()), set(member.keys if member is not None else ())
        self._members[node, start] = member
        for key in before ^ after:
            self.alive(key)[node] += 1 if key in after else -1

    def node(self, node: str) -> NodeState:
        """Return what is known of a node."""
        known = self._nodes[node] if node in self._nodes else self._book.nodes.get(node)
        return known or NodeState()

    def put_node(self, node: str, state: NodeState | None) -> None:
        """Change it."""
        self._nodes[node] = state

    def alive(self, key: Key) -> Counter[str]:
        """Return how many containers that live fail by a key, by node; a node may stand with 0."""
        if key not in self._alive:
            self._alive[key] = Counter(self._book.alive.get(key))
        return self._alive[key]

    def containers(self, key: Key) -> int:
        """Return how many that are."""
        return self.alive(key).total()

    def is_heard(self, key: Key) -> bool:
        """Say whether a node of its containers is heard."""
        return any(n and not self.node(node).silent for node, n in self.alive(key).items())

    def told(self, namespace: str) -> int:
        """Return how many violations of a namespace are told by themselves."""
        return self._told.get(namespace, self._book.told.get(namespace, 0))

    def waiting(self, namespace: str) -> set[Key]:
        """Return which violations of a namespace wait."""
        if namespace not in self._waiting:
            self._waiting[namespace] = set(self._book.waiting.get(namespace, ()))
        return self._waiting[namespace]

    def happen(self, violation: Violation, happening: Happening, end: End | None = None, why: str = "") -> None:
        """Take a violation, as it is now, through the table; `end` and `why` for what clears it."""
        state, change = TRANSITIONS[violation.state, happening]
        old = violation.state
        if state is not old:
            violation = replace(violation, state=state, since=self._now, end=end, why=why)
            if violation.key.rule != EXCESS:
                self._move(violation.key, old, state)
        if change is not None:
            violation = replace(
                violation,
                changes=violation.changes + 1,
                opened=violation.opened + (change is Change.OPENED),
            )
            self._transitions.append(Transition(change=change, violation=violation, at=self._now))
        self._violations[violation.key] = violation

    def _move(self, key: Key, old: State, new: State) -> None:
        namespace = key.namespace
        self._told[namespace] = self.told(namespace) + (new in TOLD) - (old in TOLD)
        if old is State.WAITING:
            self.waiting(namespace).discard(key)
        if new is State.WAITING:
            self.waiting(namespace).add(key)

    def _forget(self) -> None:
        over, changed = self._book.over, self._violations
        reopened = sum(key in over for key in changed)
        closed = sum(each is not None and each.state is State.OVER for each in changed.values())
        spare = len(over) - reopened + closed - MOST_OVER
        for key in list(islice((key for key in over if key not in changed), max(spare, 0))):
            self._violations[key] = None
