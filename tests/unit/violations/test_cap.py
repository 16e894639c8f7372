"""The open violations of one namespace are capped; the excess is one, counted."""

from __future__ import annotations

import pytest

from lab.violating import Keeper, failing, ruling
from rollcall.policy.model import Mode, Severity
from rollcall.violations import (
    EXCESS,
    Change,
    End,
    Ended,
    Key,
    NamespaceGone,
    PolicySetChanged,
    Start,
    State,
    Violation,
)

OPENED, REPEATED, UNKNOWN, KNOWN, OVER = Change


@pytest.fixture(name="keeper")
def _keeper() -> Keeper:
    """Two violations are open in `shop`, and two wait."""
    keeper = Keeper(most_open=2)
    for start in "abcd":
        keeper.tell(Start(judged=failing(start, start)))
    return keeper


def excess(keeper: Keeper) -> Violation:
    return keeper.book.violations[Key(policy="", rule=EXCESS, namespace="shop")]


def test_the_excess_is_told_and_counted() -> None:
    keeper = Keeper(most_open=2)
    assert keeper.said(Start(judged=failing("a", "a", "b"))) == [(OPENED, "a", None), (OPENED, "b", None)]
    audit = ruling("c", severity=Severity.HIGH, mode=Mode.AUDIT)
    assert keeper.said(Start(judged=failing("c", audit))) == [(OPENED, EXCESS, None)]
    assert (excess(keeper).severity, excess(keeper).mode, excess(keeper).waiting) == ("high", "Audit", 1)
    assert keeper.said(Start(judged=failing("d", "d", "a"))) == [(REPEATED, EXCESS, None), (REPEATED, "a", None)]
    assert (excess(keeper).severity, excess(keeper).mode, excess(keeper).waiting) == ("high", "Alert", 2)
    assert excess(keeper).starts == 2
    assert keeper.said(Start(judged=failing("e", "c", namespace="shop-2"))) == [(OPENED, "c", None)]


def test_room_is_given_to_what_waited_longest(keeper: Keeper) -> None:
    assert keeper.said(Ended(node="node-1", start="a")) == [(OVER, "a", End.ENDED), (OPENED, "c", None)]
    assert excess(keeper).waiting == 1
    assert keeper.said(Ended(node="node-1", start="b")) == [(OVER, "b", End.ENDED), (OPENED, "d", None)]
    assert excess(keeper).state is State.OPEN, "there is no room yet"
    assert keeper.said(Ended(node="node-1", start="d")) == [(OVER, "d", End.ENDED), (OVER, EXCESS, End.ROOM)]


def test_what_waits_and_ends_is_not_told(keeper: Keeper) -> None:
    assert keeper.said(Ended(node="node-1", start="c")) == []
    assert keeper.said(Ended(node="node-1", start="a")) == [(OVER, "a", End.ENDED), (OPENED, "d", None)]


def test_a_flood_of_short_lives_above_the_cap_does_not_flap(keeper: Keeper) -> None:
    for number in range(20):
        told = keeper.said(Start(judged=failing(f"short-{number}", "x", workload=f"Pod/{number}"), ended=True))
        assert told == [(REPEATED, EXCESS, None)]
    assert (excess(keeper).starts, excess(keeper).waiting) == (22, 2)


def test_a_container_that_changes_its_rule_keeps_its_place(keeper: Keeper) -> None:
    changed = PolicySetChanged(judged=(failing("a", "z"),), policies=frozenset("abcdz"))
    assert keeper.said(changed) == [(OVER, "a", End.APPROVED), (OPENED, "z", None)]


def test_a_batch_is_settled_once(keeper: Keeper) -> None:
    """What ends for one replica and begins for another was there all the time."""
    changed = PolicySetChanged(judged=(failing("a", "z"), failing("b", "a")), policies=frozenset("abcdz"))
    assert keeper.said(changed) == [(OVER, "b", End.APPROVED), (OPENED, "z", None), (REPEATED, "a", None)]


def test_a_deleted_namespace_ends_the_excess_too(keeper: Keeper) -> None:
    assert keeper.said(NamespaceGone(namespace="shop")) == [
        (OVER, "a", End.NAMESPACE_DELETED),
        (OVER, "b", End.NAMESPACE_DELETED),
        (OVER, EXCESS, End.NAMESPACE_DELETED),
    ]
    assert {each.state for each in keeper.book.violations.values()} == {State.OVER}
    book = keeper.book
    assert not any([book.told, book.waiting, book.alive, book.members]), "nothing stays"


def test_of_what_is_over_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollcall.violations.draft.MOST_OVER", 3)
    keeper = Keeper()
    for start in "abcde":
        keeper.tell(Start(judged=failing(start, start), ended=True))
    assert sorted(key.policy for key in keeper.book.violations) == ["c", "d", "e"]
    keeper.tell(Start(judged=failing("c", "c"), ended=True))
    assert sorted(key.policy for key in keeper.book.violations) == ["c", "d", "e"], "what is over again is no more"
    keeper.tell(Start(judged=failing("d", "d", "b"), ended=True))
    assert sorted(key.policy for key in keeper.book.violations) == ["b", "c", "d"], "and it is the youngest"
    keeper.tell(Start(judged=failing("d", "d")))
    keeper.tell(Start(judged=failing("f", "f"), ended=True))
    keeper.tell(Start(judged=failing("g", "g"), ended=True))
    assert sorted(key.policy for key in keeper.book.violations) == ["b", "d", "f", "g"]
    assert keeper.state("d") is State.OPEN


def test_texts_are_bounded() -> None:
    keeper = Keeper()
    long = "x" * 100_000
    keeper.tell(Start(judged=failing("a", ruling(message=long, reason=long, link=long))))
    (told,) = keeper.tell(PolicySetChanged(judged=(failing("a", message=long),), policies=frozenset("p")))
    violation = told.violation
    assert max(map(len, (violation.message, violation.reason, violation.link, violation.why))) <= 1024
