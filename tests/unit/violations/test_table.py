"""The table of transitions: it says all that a violation can do, and every row of it is taken."""

from __future__ import annotations

import pytest

from lab.violating import Keeper, failing
from rollcall.violations import Change, Ended, Input, LiveSet, NodeSilent, Start, State
from rollcall.violations.table import TRANSITIONS, Happening

FULL = Start(judged=failing("full", "x"))
ROOM = Ended(node="node-1", start="full")
FAILS = Start(judged=failing("a", "p"))
AGAIN = Start(judged=failing("b", "p"))
ENDS = Ended(node="node-1", start="a")
SILENT = NodeSilent(node="node-1")
HEARD = LiveSet(node="node-1", epoch="e", report=1, starts=frozenset({"full", "a", "b"}))

WAYS: dict[tuple[State, Happening], tuple[list[Input], Input]] = {
    (State.OVER, Happening.FAILED): ([], FAILS),
    (State.OVER, Happening.CROWDED): ([FULL], FAILS),
    (State.OPEN, Happening.FAILED): ([FAILS], AGAIN),
    (State.OPEN, Happening.SILENT): ([FAILS], SILENT),
    (State.OPEN, Happening.CLEARED): ([FAILS], ENDS),
    (State.UNKNOWN, Happening.FAILED): ([FAILS, SILENT], AGAIN),
    (State.UNKNOWN, Happening.HEARD): ([FAILS, SILENT], HEARD),
    (State.UNKNOWN, Happening.CLEARED): ([FAILS, SILENT], ENDS),
    (State.WAITING, Happening.FAILED): ([FULL, FAILS], AGAIN),
    (State.WAITING, Happening.ROOM): ([FULL, FAILS], ROOM),
    (State.WAITING, Happening.CLEARED): ([FULL, FAILS], ENDS),
}


def test_there_is_a_way_to_every_row() -> None:
    assert set(WAYS) == set(TRANSITIONS)


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row[0]}, {row[1]}")
def test_a_row_says_what_it_becomes_and_what_is_told(row: tuple[State, Happening]) -> None:
    keeper = Keeper(most_open=1)
    before, happened = WAYS[row]
    for each in before:
        keeper.tell(each)
    assert not before or row[0] is State.OVER or keeper.state("p") is row[0]
    told = [change for change, policy, _ in keeper.said(happened) if policy == "p"]
    state, change = TRANSITIONS[row]
    assert keeper.state("p") is state
    assert told == ([change] if change is not None else [])


def test_everything_that_is_open_can_be_over() -> None:
    assert {state for state, happening in TRANSITIONS if happening is Happening.CLEARED} == set(State) - {State.OVER}


def test_only_what_clears_it_makes_a_violation_over() -> None:
    over = {happening for (_, happening), (state, _) in TRANSITIONS.items() if state is State.OVER}
    assert over == {Happening.CLEARED}
    assert all(
        change is not Change.OVER for (_, happening), (_, change) in TRANSITIONS.items() if happening not in over
    )
