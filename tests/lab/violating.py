"""Makes judged starts for tests of violations, and tells them to a book, as whoever keeps one does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rollcall.judge.verdict import MATCH, Cause, Result, Ruling
from rollcall.policy.model import Mode, Severity
from rollcall.violations import (
    Book,
    Change,
    End,
    Input,
    Judged,
    Key,
    Member,
    NodeState,
    State,
    Transition,
    Violation,
    step,
)

LONG_AGO = "2026-11-24T10:00:00.000000Z"


def ruling(policy: str = "p", rule: str = "r", **fields: Any) -> Ruling:
    """Make a ruling that is a violation."""
    defaults = {
        "result": Result.VIOLATION,
        "cause": Cause.NOT_APPROVED,
        "message": "not approved",
        "severity": Severity.MEDIUM,
        "mode": Mode.ALERT,
    }
    return Ruling(policy=policy, rule=rule, **(defaults | fields))


def failing(
    start: str,
    *rulings: Ruling | str,
    node: str = "node-1",
    namespace: str = "shop",
    workload: str = "Deployment/web",
    at: str | None = LONG_AGO,
    doubted: Iterable[str] = (),
    waived: Iterable[tuple[str, str, str]] = (),
    message: str = "approved by p/ok",
) -> Judged:
    """Make a start that fails by some rulings, by text those of a policy; `doubted` are policies."""
    given = [ruling(each) if isinstance(each, str) else each for each in rulings]
    place = {"namespace": namespace, "workload": workload, "container": "app", "repository": "docker.io/library/app"}
    return Judged(
        start=start,
        node=node,
        namespace=namespace,
        at=at,
        image="docker.io/library/app:1",
        failed=tuple((Key(policy=each.policy, rule=each.rule, **place), each) for each in given),
        doubted=frozenset((policy, MATCH) for policy in doubted),
        waived=tuple(waived),
        message=message,
    )


class Keeper:
    """Keeps a book: makes steps, accepts them, and remembers what was told."""

    def __init__(self, most_open: int = 100) -> None:
        self.book = Book()
        self.most_open = most_open
        self.now = 0

    def tell(self, happened: Input) -> list[Transition]:
        """Take an input, and return what is to be told."""
        self.now += 1
        now = f"2026-11-24T{11 + self.now // 3600:02}:{self.now // 60 % 60:02}:{self.now % 60:02}.000000Z"
        made = step(self.book, happened, now, most_open=self.most_open)
        self.book.accept(made)
        assert all(each.at == now for each in made.transitions)
        return list(made.transitions)

    def said(self, happened: Input) -> list[tuple[Change, str, End | None]]:
        """Take an input, and return what is to be told, in short: change, policy (or the excess), and kind of end."""
        return [
            (each.change, each.violation.key.policy or each.violation.key.rule, each.violation.end)
            for each in self.tell(happened)
        ]

    def state(self, policy: str = "p") -> State:
        """Return the state of the one violation of a policy."""
        (found,) = (each.state for key, each in self.book.violations.items() if key.policy == policy)
        return found

    def stored(self) -> Book:
        """Return the book as it comes back from a store: from its rows, each written and read."""
        book = self.book
        return Book(
            [_again(each, Violation) for each in book.violations.values()],
            [_again(each, Member) for node in book.members.values() for each in node.values()],
            {name: _again(each, NodeState) for name, each in book.nodes.items()},
        )


def _again(row: Any, kind: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(row), type=kind)
