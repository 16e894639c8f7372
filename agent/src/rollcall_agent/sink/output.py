"""Standard output, written without ever stopping the loop: a reader that stalls leaves records in the journal.

So does a disk that is full: what could not be written is tried again from where it stopped, and no line is torn.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import stat
from typing import Final

import structlog

_ALWAYS_FITS: Final = select.PIPE_BUF
"""What a pipe that polls as writable takes without blocking (pipe(7)). Non-blocking mode would do too, but it belongs
to the open file and so to everybody who shares it."""


_NOBODY_READS: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EIO})
"""EIO is what a terminal gives that is gone (tty_ioctl(4), hang-up)."""

_WAIT_S: Final = 1.0

log = structlog.get_logger()


class Output:
    """Writes bytes to a descriptor in order."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waits = not stat.S_ISREG(os.fstat(fd).st_mode)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    async def write(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        rest = memoryview(data)
        while rest:
            if self._waits and not self._poll.poll(0):
                await self._writable()
            try:
                rest = rest[os.write(self._fd, rest[:_ALWAYS_FITS] if self._waits else rest) :]
            except OSError as error:
                if error.errno in _NOBODY_READS:
                    raise BrokenPipeError(error.errno, error.strerror) from error
                log.error("The output can't be written; records wait in the journal.", error=str(error))  # noqa: TRY400  # a user's message
                await asyncio.sleep(_WAIT_S)

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._fd)
