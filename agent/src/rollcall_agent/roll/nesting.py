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


class OutermostRoot(Struct):
    """A live container that lies in no other, and what its budget for nested ones still holds."""

    container_id: str
    cgroup_id: int
    tokens: float = BURST
    refilled_s: float = 0.0
    excess: int = 0

    def spend(self, now_s: float) -> bool:
        """Take one from the budget; False says that it is over, and counts the excess. Any steady clock, in seconds."""
        self.tokens = min(BURST, self.tokens + (now_s - self.refilled_s) * REFILL_PER_SECOND)
        self.refilled_s = now_s
        if self.tokens < 1:
            self.excess += 1
            return False
        self.tokens -= 1
        return True


class Nesting:
    """The live outermost container roots of this node."""

    def __init__(self) -> None:
        self._roots: dict[int, OutermostRoot] = {}
        self._by_id: dict[str, OutermostRoot] = {}

    def add(self, cgroup_id: int, container_id: str) -> None:
        """Note a live root that lies in no other."""
        if cgroup_id not in self._roots:
            self._roots[cgroup_id] = self._by_id[container_id] = OutermostRoot(
                container_id=container_id, cgroup_id=cgroup_id
            )

    def remove(self, cgroup_id: int) -> None:
        """Forget a root that has ended."""
        root = self._roots.pop(cgroup_id, None)
        if root is not None and self._by_id.get(root.container_id) is root:
            del self._by_id[root.container_id]

    def around(self, ancestors: Iterable[int]) -> OutermostRoot | None:
        """Return the container that a directory with these ancestors' cgroup ids lies in."""
        return next((self._roots[each] for each in ancestors if each in self._roots), None)

    def around_id(self, container_id: str) -> OutermostRoot | None:
        """Return the container that the path alone shows around a directory (bcc has no ancestors)."""
        return self._by_id.get(container_id)

    def take_excess(self) -> list[OutermostRoot]:
        """Return the roots over their budget with what they had in excess, and begin anew."""
        found = [root for root in self._roots.values() if root.excess]
        taken = [OutermostRoot(each.container_id, each.cgroup_id, excess=each.excess) for each in found]
        for root in found:
            root.excess = 0
        return taken
