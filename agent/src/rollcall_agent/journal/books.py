"""The books: where every start went, by the kernel's count and by the agent's. Pure."""

from __future__ import annotations

from msgspec import Struct

from rollcall_agent.collect.event import KernelLedger


class KernelRow(Struct, frozen=True, kw_only=True):
    """One attach of the probe: the kernel's counters as last stored, and how many records of it were read.

    `number` 0 is the sum of attaches too old to be kept apart. `interrupted` says that no single process read it from
    first to last into this journal: its reader was killed, or another one took it over. Times are wall-clock
    nanoseconds.
    """

    collector: str
    number: int
    boot_id: str
    hierarchy: int
    opened_ns: int
    closed_ns: int | None
    interrupted: bool
    ledger: KernelLedger
    read: int
    end_read: int

    @property
    def unread(self) -> int:
        """Starts submitted and not read: in flight while open, in the reader's hands where it was killed.

        Below 0 where some were read twice, since what is not durable is read again after a kill; and while open, where
        records were read after the kernel's counters were stored.
        """
        return self.ledger.mkdirs.submitted - self.read

    @property
    def end_unread(self) -> int:
        """The same for ends."""
        return self.ledger.rmdirs.submitted - self.end_read

    @property
    def closed(self) -> bool:
        """Whether this row is accounted for: what one process read from first to last has nothing left unread."""
        exact = self.closed_ns is not None and not self.interrupted
        sums = self.ledger.mkdirs.difference == 0 and self.ledger.rmdirs.difference == 0
        return sums and not (exact and (self.unread or self.end_unread))


class AgentLedger(Struct, frozen=True, kw_only=True):
    """What became of every start that was read or listed, since the journal's epoch began.

    `late` are those of `ready` that a sink had already as unresolved; they are counted in `ready` alone.
    """

    read: int = 0
    listed: int = 0
    not_a_root: dict[str, int] = {}
    foreign: int = 0
    nested: int = 0
    sandbox: int = 0
    duplicate: int = 0
    pending: int = 0
    ready: int = 0
    late: int = 0
    written: int = 0
    dropped: dict[str, int] = {}
    end_read: int = 0
    end_matched: int = 0
    end_unmatched: int = 0

    @property
    def difference(self) -> int:
        """What the sum of starts is off by: 0 in every snapshot."""
        kept = self.sandbox + self.pending + self.ready + self.written + sum(self.dropped.values())
        left_out = sum(self.not_a_root.values()) + self.foreign + self.nested + self.duplicate
        return self.read + self.listed - kept - left_out

    @property
    def end_difference(self) -> int:
        """What the sum of ends is off by: 0 in every snapshot."""
        return self.end_read - self.end_matched - self.end_unmatched


class Gap(Struct, frozen=True, kw_only=True):
    """A time in which starts may have been missed, why, and at most how many (None: nobody knows)."""

    from_ns: int
    to_ns: int
    reason: str
    bound: int | None


class Books(Struct, frozen=True, kw_only=True):
    """Both ledgers of one epoch and its named gaps, in one consistent snapshot."""

    epoch: str
    created_ns: int
    durable_ns: int
    settled_up_to: int
    kernel: tuple[KernelRow, ...]
    agent: AgentLedger
    gaps: tuple[Gap, ...]

    @property
    def closed(self) -> bool:
        """Whether everything is accounted for; a gap is named and so does not open the books."""
        return all(row.closed for row in self.kernel) and self.agent.difference == 0 and self.agent.end_difference == 0
