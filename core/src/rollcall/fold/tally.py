"""Counts of many things in bounded room, the same in whatever order they are counted."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Generic, Protocol, Self, TypeVar

from rollcall.record import Model


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...  # noqa: ANN401  # as typeshed's own


T = TypeVar("T", bound=_Ordered)


class Counted(Model, Generic[T], frozen=True, kw_only=True):
    """A thing, and how many starts had it."""

    what: T
    starts: int


class Tally(Model, Generic[T], frozen=True, kw_only=True):
    """How many starts had which thing: the first things by their order, and of the others the number of their starts.

    Which ones are kept depends on the things alone. One that was left out never comes back, since those before it only
    become more, so that every count that is kept is exact, and so is their sum with `left_out`.
    """

    kept: tuple[Counted[T], ...] = ()
    left_out: int = 0

    def add(self, what: T, starts: int, most: int) -> Self:
        """Count a thing (0: it was seen, and counts elsewhere; negative: it was counted here, and moves away).

        At most `most` are kept; it must be the same each time.
        """
        at = bisect_left(self.kept, what, key=lambda each: each.what)
        if at < len(self.kept) and self.kept[at].what == what:
            counted = Counted(what=what, starts=self.kept[at].starts + starts)
            return type(self)(kept=(*self.kept[:at], counted, *self.kept[at + 1 :]), left_out=self.left_out)
        kept = (*self.kept[:at], Counted(what=what, starts=starts), *self.kept[at:])
        return type(self)(kept=kept[:most], left_out=self.left_out + sum(each.starts for each in kept[most:]))
