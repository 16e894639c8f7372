"""One input: whom it takes from and adds to which violations, and then, once for each of these, what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from rollcall.judge.verdict import Ruling
from rollcall.text import shortened
from rollcall.violations.book import Book, Step
from rollcall.violations.describe import LONGEST, Ending, crowded, described, ending, excess_key, is_doubted, seen
from rollcall.violations.draft import Draft
from rollcall.violations.inputs import (
    Ended,
    Input,
    Judged,
    Late,
    LiveSet,
    NamespaceGone,
    NodeGone,
    NodeSilent,
    PolicySetChanged,
    Start,
)
from rollcall.violations.model import End, Key, Member, NodeState, State
from rollcall.violations.table import Happening

MOST_OPEN: Final = 100
"""Violations of one namespace that are told one by one."""

_REPORTS: Final = 2
"""Live sets in a row that a start must be missing from: one may have been on its way when it started."""
_ENDED: Final = (End.ENDED, "its last container has ended")


def step(book: Book, happened: Input, now: str, *, most_open: int = MOST_OPEN) -> Step:
    """Say what an input changes in a book, and what is to be told. `now` is the time of all that, RFC 3339."""
    draft = Draft(book, now)
    _Settling(draft, most_open).take(happened)
    return draft.step()


class _Settling:
    """Takes one input in, then settles every violation that it touched, each once, so that none is over and back."""

    def __init__(self, draft: Draft, most_open: int) -> None:
        self._draft = draft
        self._most_open = most_open
        self._touched: dict[Key, Ending] = {}
        self._failed: list[tuple[Key, Ruling, Judged]] = []
        self._deleted: str | None = None

    def take(self, happened: Input) -> None:
        """Take an input in, and settle."""
        match happened:
            case Start(judged=judged, ended=ended):
                if self._draft.member(judged.node, judged.start) is None:
                    self._first(judged, lives=not ended)
            case Late(judged=judged, ended=ended):
                self._late(judged, lives=not ended)
            case PolicySetChanged(judged=several, policies=policies):
                for judged in sorted(several, key=lambda each: (each.at or "", each.start)):
                    self._again(judged, policies)
            case _:
                self._take_ends(happened)
        self._settle()

    def _take_ends(self, happened: Ended | LiveSet | NodeSilent | NodeGone | NamespaceGone) -> None:
        draft = self._draft
        match happened:
            case Ended(node=node, start=start):
                member = draft.member(node, start)
                self._remove([member] if member is not None else [], _ENDED)
            case LiveSet():
                self._live(happened)
            case NodeSilent(node=node):
                draft.put_node(node, replace(draft.node(node), silent=True))
                self._touch_node(node)
            case NodeGone(node=node):
                self._remove(draft.members(node), (End.ENDED, f"its node {node} is gone"))
                draft.put_node(node, None)
            case NamespaceGone(namespace=namespace):
                self._deleted = namespace
                self._remove(
                    draft.members_in(namespace), (End.NAMESPACE_DELETED, f"its namespace {namespace} was deleted")
                )

    def _first(self, judged: Judged, *, lives: bool) -> None:
        self._failed += [(key, ruling, judged) for key, ruling in judged.failed]
        self._put(judged, [key for key, _ in judged.failed], lives=lives)

    def _late(self, judged: Judged, *, lives: bool) -> None:
        old = self._keys(judged)
        failed = dict(judged.failed)
        self._over([key for key in old if key not in failed], (End.RESOLVED, shortened(judged.message, LONGEST)))
        for key, ruling in failed.items():
            if key not in old:
                self._failed.append((key, ruling, judged))
            elif self._draft.violation(key).start == judged.start:
                self._draft.put(described(self._draft.violation(key), ruling))
        self._put(judged, failed, lives=lives)

    def _again(self, judged: Judged, policies: frozenset[str]) -> None:
        old = self._keys(judged)
        failed = dict(judged.failed)
        doubted = [key for key in old if key not in failed and is_doubted(key, judged)]
        for key in old:
            if key not in failed and key not in doubted:
                self._over([key], ending(key, judged, policies))
        for key, ruling in failed.items():
            if key in old:
                self._draft.put(described(self._draft.violation(key), ruling))
            else:
                self._failed.append((key, ruling, judged))
        self._put(judged, [*doubted, *failed], lives=True)

    def _live(self, report: LiveSet) -> None:
        state = self._draft.node(report.node)
        same = state.epoch == report.epoch
        if same and report.report <= state.report:
            return
        self._draft.put_node(report.node, NodeState(epoch=report.epoch, report=report.report))
        gone = []
        for member in self._draft.members(report.node):
            missed = 0 if member.start in report.starts else (member.missed if same else 0) + 1
            if missed >= _REPORTS:
                gone.append(member)
            elif missed != member.missed:
                self._draft.put_member(member.node, member.start, replace(member, missed=missed))
        if state.silent:
            self._touch_node(report.node)
        self._remove(gone, (End.ENDED, f"node {report.node} does not list its last container any more"))

    def _touch_node(self, node: str) -> None:
        for member in self._draft.members(node):
            self._over(member.keys, _ENDED)

    def _remove(self, members: Iterable[Member], end: Ending) -> None:
        for member in members:
            self._over(member.keys, end)
            self._draft.put_member(member.node, member.start, None)

    def _over(self, keys: Iterable[Key], end: Ending) -> None:
        """Have violations settled: over, with this ending, where no container of them is left."""
        self._touched.update(dict.fromkeys(keys, end))

    def _keys(self, judged: Judged) -> tuple[Key, ...]:
        member = self._draft.member(judged.node, judged.start)
        return member.keys if member is not None else ()

    def _put(self, judged: Judged, keys: Iterable[Key], *, lives: bool) -> None:
        keys = tuple(keys)
        old = self._draft.member(judged.node, judged.start)
        if not lives:
            self._over([*keys, *(old.keys if old is not None else ())], _ENDED)
        if not (lives and keys):
            if old is not None:
                self._draft.put_member(old.node, old.start, None)
        elif old is None:
            member = Member(start=judged.start, node=judged.node, namespace=judged.namespace, keys=keys)
            self._draft.put_member(member.node, member.start, member)
        elif old.keys != keys:
            self._draft.put_member(old.node, old.start, replace(old, keys=keys))

    def _settle(self) -> None:
        draft = self._draft
        for key in self._touched:
            self._count(key)
        self._clear()
        for key, ruling, judged in self._failed:
            self._fail(key, ruling, judged)
        self._clear()
        keys = {*self._touched, *(key for key, _, _ in self._failed)}
        for namespace in sorted({key.namespace for key in keys}):
            keys |= self._fill(namespace)
        for key in sorted(keys):
            violation = draft.violation(key)
            if violation.state is State.OPEN and not draft.is_heard(key):
                draft.happen(violation, Happening.SILENT)
            elif violation.state is State.UNKNOWN and draft.is_heard(key):
                draft.happen(violation, Happening.HEARD)

    def _count(self, key: Key) -> None:
        violation, containers = self._draft.violation(key), self._draft.containers(key)
        if violation.containers != containers:
            self._draft.put(replace(violation, containers=containers))

    def _clear(self) -> None:
        for key in sorted(self._touched):
            violation = self._draft.violation(key)
            if violation.state is not State.OVER and not violation.containers:
                end, why = self._touched[key]
                self._draft.happen(violation, Happening.CLEARED, end, why)

    def _fail(self, key: Key, ruling: Ruling, judged: Judged) -> None:
        draft = self._draft
        violation = seen(draft.violation(key), ruling, judged, draft.containers(key))
        full = violation.state is State.OVER and draft.told(key.namespace) >= self._most_open
        draft.happen(violation, Happening.CROWDED if full else Happening.FAILED)
        if draft.violation(key).state is State.WAITING:
            excess = draft.violation(excess_key(key.namespace))
            draft.happen(crowded(excess, violation, len(draft.waiting(key.namespace))), Happening.FAILED)

    def _fill(self, namespace: str) -> set[Key]:
        """Tell what waits in a namespace where there is room; return what that is."""
        draft, told = self._draft, set[Key]()
        waiting = draft.waiting(namespace)
        while waiting and draft.told(namespace) < self._most_open:
            violation = min(map(draft.violation, waiting), key=lambda each: (each.since, each.key))
            draft.happen(violation, Happening.ROOM)
            told.add(violation.key)
        excess = draft.violation(excess_key(namespace))
        if excess.state is not State.OVER:
            excess = replace(excess, waiting=len(waiting))
            draft.put(excess)
            if draft.told(namespace) < self._most_open:
                end, why = End.ROOM, f"at most {self._most_open} are open now, and each is told by itself"
                if namespace == self._deleted:
                    end, why = End.NAMESPACE_DELETED, f"its namespace {namespace} was deleted"
                draft.happen(excess, Happening.CLEARED, end, why)
        return told
