"""Where records go: formats that turn one into bytes, and the output that takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rollcall.record import ContainerCreate

if TYPE_CHECKING:  # the judge is in memory only where there are policies
    from rollcall.judge import Verdict
    from rollcall.violations import Transition


class NobodyReadsError(Exception):
    """Records can't be handed out any more: their reader is gone, or has had as many as it asked for."""


class Format(Protocol):
    """Turns a record into what is written of it, and what becomes of violations, where it `tells` of those."""

    @property
    def tells(self) -> bool:
        """Whether it has something to say of violations."""

    def header(self) -> bytes:
        """Return what comes before the first record."""

    def line(self, record: ContainerCreate, verdict: Verdict | None = None) -> bytes:
        """Return one record, with its newline; empty where nothing is written of it."""

    def alert(self, transition: Transition) -> bytes:
        """Return what is told of a violation, with its newline."""


__all__ = ["Format", "NobodyReadsError"]
