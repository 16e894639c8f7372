"""The state machine of a violation: what happens to it, what it becomes, and what is told. All of it is this table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from rollcall.violations.model import Change, State


class Happening(StrEnum):
    """What can happen to one violation."""

    FAILED = "failed"
    """A start failed the rule."""
    CROWDED = "crowded"
    """The same, and its namespace has as many violations as are told one by one."""
    ROOM = "room"
    """Its namespace has room for one more."""
    SILENT = "silent"
    """The last node of its containers that was heard has fallen silent."""
    HEARD = "heard"
    """One of those nodes is heard."""
    CLEARED = "cleared"
    """There is evidence that no container of it is left that fails."""


TRANSITIONS: Final[dict[tuple[State, Happening], tuple[State, Change | None]]] = {
    (State.OVER, Happening.FAILED): (State.OPEN, Change.OPENED),
    (State.OVER, Happening.CROWDED): (State.WAITING, None),
    (State.OPEN, Happening.FAILED): (State.OPEN, Change.REPEATED),
    (State.OPEN, Happening.SILENT): (State.UNKNOWN, Change.UNKNOWN),
    (State.OPEN, Happening.CLEARED): (State.OVER, Change.OVER),
    (State.UNKNOWN, Happening.FAILED): (State.UNKNOWN, Change.REPEATED),
    (State.UNKNOWN, Happening.HEARD): (State.OPEN, Change.KNOWN),
    (State.UNKNOWN, Happening.CLEARED): (State.OVER, Change.OVER),
    (State.WAITING, Happening.FAILED): (State.WAITING, None),
    (State.WAITING, Happening.ROOM): (State.OPEN, Change.OPENED),
    (State.WAITING, Happening.CLEARED): (State.OVER, None),
}
"""A violation that was never seen is one that is over. What is not here does not happen."""
