"""Standard output, written without ever stopping the loop: a reader that stalls leaves records in the journal."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from typing import Final

_ALWAYS_FITS: Final = select.PIPE_BUF
"""What a pipe that polls as writable takes without blocking (pipe(7)). Non-blocking mode would do too, but it belongs
to the open file and so to everybody who shares it."""


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
            rest = rest[os.write(self._fd, rest[:_ALWAYS_FITS] if self._waits else rest) :]

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._fd)
