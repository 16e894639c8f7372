"""Why a collector can't work here, and what to do about it."""

from __future__ import annotations


class CollectorProblem(Exception):  # noqa: N818  # a lack of the machine, which doctor lists without raising it
    """A probe can't be attached: `what` is wrong, and `remedy` mends it. Both are whole sentences for a person."""

    def __init__(self, what: str, remedy: str, *, detail: str = "") -> None:
        super().__init__(f"{what} {remedy}" + (f"\n{detail}" if detail else ""))
        self.what = what
        self.remedy = remedy
        self.detail = detail
