"""Violations over time: opened, repeated and over, each once, over restarts and replicas. Pure.

`step` says what an input changes in a `Book`, and what is to be told; whoever keeps the book writes the changed rows,
commits, and then has the book `accept` them. Nothing changes before, so that a failed commit needs no undoing.

A start that lives is known by its row, and told twice changes nothing. One that has ended leaves none: that it was
judged is known to who keeps the starts, as `rollcall.fold.is_news` says, and only news come here.
"""

from __future__ import annotations

from rollcall.violations.book import Book, Step
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
    judged,
)
from rollcall.violations.model import (
    EXCESS,
    Change,
    End,
    Key,
    Member,
    NodeState,
    State,
    Transition,
    Violation,
)
from rollcall.violations.step import MOST_OPEN, step

__all__ = [
    "EXCESS",
    "MOST_OPEN",
    "Book",
    "Change",
    "End",
    "Ended",
    "Input",
    "Judged",
    "Key",
    "Late",
    "LiveSet",
    "Member",
    "NamespaceGone",
    "NodeGone",
    "NodeSilent",
    "NodeState",
    "PolicySetChanged",
    "Start",
    "State",
    "Step",
    "Transition",
    "Violation",
    "judged",
    "step",
]
