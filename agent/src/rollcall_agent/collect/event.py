"""What a collector delivers, and what every collector can be asked."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_ANCESTORS: Final = 16  # of bpf/rollcall.h: with fewer ids the list is complete
_READINGS: Final = 5


class Kind(IntEnum):
    """Which end of a cgroup's life a record tells of."""

    START = 1
    END = 2


class CgroupEvent(Struct, frozen=True, kw_only=True):
    """One cgroup directory made or removed, as the kernel told it.

    `ancestors` are cgroup ids from the parent upwards, empty where the collector has none (bcc). `path` is absolute in
    its hierarchy, at most 1024 bytes; where it was cut (`path_cut`) `leaf` still is the whole last component, or empty
    where the collector has no way to it. Any byte but a newline may stand in both.
    """

    kind: Kind
    attach: int
    cgroup_id: int
    hierarchy: int
    level: int
    boot_ns: int
    path: bytes
    leaf: bytes
    path_cut: bool = False
    ancestors: tuple[int, ...] = ()

    @property
    def knows_all_ancestors(self) -> bool:
        """Whether `ancestors` goes up to the hierarchy's root: it is neither missing nor cut."""
        return 0 < len(self.ancestors) < _MAX_ANCESTORS


class WaysOut(Struct, frozen=True, kw_only=True):
    """How the events of one tracepoint left the program: each by exactly one way."""

    seen: int = 0
    other_hierarchy: int = 0
    never_a_container: int = 0
    throttled: int = 0
    quiet: int = 0
    submitted: int = 0
    lost: int = 0

    @property
    def difference(self) -> int:
        """What the sum is off by: 0 once quiet."""
        ways = self.other_hierarchy + self.never_a_container + self.throttled + self.quiet + self.submitted + self.lost
        return self.seen - ways


class KernelLedger(Struct, frozen=True, kw_only=True):
    """The kernel's side of the books for one attach.

    `recursion_misses` are events for which a program was not run at all; they are a loss beside the sums.
    """

    attach: int
    mkdirs: WaysOut = WaysOut()
    rmdirs: WaysOut = WaysOut()
    recursion_misses: int = 0

    @property
    def balanced(self) -> bool:
        """Whether no program ran while the counters were read: every event that was seen has left."""
        return self.mkdirs.difference == 0 and self.rmdirs.difference == 0


def settled(read: Callable[[], KernelLedger]) -> KernelLedger:
    """Read counters, again while programs run between `seen` and a way out; the last reading may still be off."""
    ledger = read()
    for _ in range(_READINGS - 1):
        if ledger.balanced:
            break
        ledger = read()
    return ledger


class Collector(Protocol):
    """A probe on cgroup creation. `read` hands out records, `acknowledge` lets them go once they are durable."""

    @property
    def name(self) -> str:
        """`core` or `bcc`."""

    @property
    def attach_number(self) -> int:
        """The number in every record of this attach."""

    @property
    def pinned(self) -> bool:
        """Whether the probe stays when this process goes."""

    @property
    def adopted(self) -> bool:
        """Whether the probe is one that an earlier process had pinned."""

    @property
    def older_attaches(self) -> list[int]:
        """The numbers of earlier attaches whose pinned rings are read first."""

    @property
    def leftovers(self) -> list[str]:
        """Names of pinned probes that could not be read and were removed."""

    def fileno(self) -> int:
        """A descriptor that is readable while records wait."""

    def read(self, limit: int) -> list[CgroupEvent]:
        """Return at most `limit` waiting records in order, without letting go of them."""

    def acknowledge(self) -> None:
        """Let go of all that `read` has returned: it is on disk."""

    def position(self) -> int:
        """Return the producer's position now: all that was submitted before lies below it."""

    def drained_to(self, position: int) -> bool:
        """Say whether everything below `position` has been read and acknowledged."""

    def ledger(self) -> KernelLedger:
        """Return the kernel's counters."""

    def drained(self) -> list[KernelLedger]:
        """Return, once, the last counters of each older attach that was read to its end and removed since."""

    def renew(self) -> None:
        """Tell the program that somebody still reads; without it, it goes quiet by itself."""

    def limit_below(self, cgroup_id: int) -> None:
        """Throttle what is made below this outermost container root (bcc: nothing)."""

    def unlimit(self, cgroup_id: int) -> None:
        """Forget a root that has ended."""

    def detach(self) -> None:
        """Stop the probe unless it is pinned; what was submitted before can still be read."""

    def close(self) -> None:
        """Let go of everything that is not pinned."""
