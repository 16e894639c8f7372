"""Where records go: formats that turn one into bytes, and the output that takes them."""

from typing import Protocol

from rollcall.record import ContainerCreate


class NobodyReadsError(Exception):
    """Records can't be handed out any more: their reader is gone, or has had as many as it asked for."""


class Format(Protocol):
    """Turns a record into what is written of it."""

    def header(self) -> bytes:
        """Return what comes before the first record."""

    def line(self, record: ContainerCreate) -> bytes:
        """Return one record, with its newline."""


__all__ = ["Format", "NobodyReadsError"]
