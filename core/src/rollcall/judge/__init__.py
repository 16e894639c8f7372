"""The judge: whether what started was approved. Pure: time and state are arguments."""

from __future__ import annotations

from rollcall.judge.compiled import PolicySet
from rollcall.judge.evaluate import TagHistory, judge
from rollcall.judge.verdict import Cause, Notice, Result, Ruling, Trust, Verdict

__all__ = ["Cause", "Notice", "PolicySet", "Result", "Ruling", "TagHistory", "Trust", "Verdict", "judge"]
