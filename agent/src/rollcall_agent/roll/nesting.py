"""Containers inside containers: which live root a directory lies below, and how many of them one root may have.

What is made below a live container (Docker-in-Docker, kind, a hostile workload with a delegated cgroup) belongs to a
runtime that can't be reached, or to nobody. Each gets one try; a budget for each outermost container keeps made-up ids
from becoming an amplifier, and what is over it is counted and told of in one record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

BURST: Final = 100
REFILL_PER_SECOND: Final = 10 / 60


class _Root(Struct):
    container_id: str
    outermost: int
    tokens: float = BURST
    refilled_s: float = 0.0
    excess: int = 0


class Place(Struct, frozen=True, kw_only=True):
    """Where a directory lies: the innermost live container around it, and the outermost one's cgroup id."""

    container_id: str
    outermost: int


class Nesting:
    """The live container roots of this node, by cgroup id. Time is an argument, in seconds of any steady clock."""

    def __init__(self) -> None:
        self._roots: dict[int, _Root] = {}

    def add(self, cgroup_id: int, container_id: str, ancestors: Iterable[int]) -> bool:
        """Note a live root; return whether it is an outermost one."""
        around = self.around(ancestors)
        outermost = around.outermost if around else cgroup_id
        self._roots.setdefault(cgroup_id, _Root(container_id=container_id, outermost=outermost))
        return around is None

    def remove(self, cgroup_id: int) -> None:
        """Forget a root that has ended."""
        self._roots.pop(cgroup_id, None)

    def around(self, ancestors: Iterable[int]) -> Place | None:
        """Return the live container that a directory with these ancestors (the parent first) lies in."""
        for ancestor in ancestors:
            root = self._roots.get(ancestor)
            if root is not None:
                return Place(container_id=root.container_id, outermost=root.outermost)
        return None

    def spend(self, outermost: int, now_s: float) -> bool:
        """Take one from the budget of an outermost root; False says that it is over, and counts the excess."""
        root = self._roots.get(outermost)
        if root is None:
            return True
        root.tokens = min(BURST, root.tokens + (now_s - root.refilled_s) * REFILL_PER_SECOND)
        root.refilled_s = now_s
        if root.tokens < 1:
            root.excess += 1
            return False
        root.tokens -= 1
        return True

    def take_excess(self) -> list[tuple[str, int, int]]:
        """Return (container id, cgroup id, starts over the budget) of each root that has some, and begin anew."""
        found = [(root.container_id, key, root.excess) for key, root in self._roots.items() if root.excess]
        for _, key, _ in found:
            self._roots[key].excess = 0
        return found
