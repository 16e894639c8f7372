"""A reader of the kernel's ring buffer that lets go of records only when it is told to.

libbpf's own reader moves the consumer's position on after each record, before anybody could have made it durable, and a
process that is killed there has lost it. Here `read` looks ahead and `acknowledge` moves the position, so that a pinned
ring gives to the next process exactly what this one had not written down. Layout: kernel/bpf/ringbuf.c (a page with
the consumer's position, a page with the producer's, then the data, mapped twice so that no record is ever split).
"""

from __future__ import annotations

import mmap
from threading import Lock
from typing import Final

_BUSY: Final = 1 << 31
_DISCARD: Final = 1 << 30
_HEADER_BYTES: Final = 8


def ring_bytes(wanted: int, page: int = mmap.PAGESIZE) -> int:
    """Round a size up to what the kernel takes: a power of two and a multiple of the page size."""
    return max(page, 1 << max(wanted - 1, 0).bit_length())


class RingReader:
    """Reads the ring buffer behind a map's descriptor; one reader at a time.

    Raises:
        OSError: the map is no ring buffer or can't be mapped.
    """

    def __init__(self, fd: int, size: int) -> None:
        page = mmap.PAGESIZE
        self._mask = size - 1
        self._consumer_page = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._producer_pages = mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumer = memoryview(self._consumer_page).cast("Q")
        self._producer = memoryview(self._producer_pages)[:_HEADER_BYTES].cast("Q")
        self._data = memoryview(self._producer_pages)[page:]
        self._lengths = self._data.cast("I")
        self._read_to: int = self._consumer[0]
        self._barrier = Lock()
        self._barrier.acquire()

    def position(self) -> int:
        """The producer's position: all that was submitted before now lies below it."""
        return self._producer[0]

    def drained_to(self, position: int) -> bool:
        """Say whether all below `position` has been acknowledged."""
        return self._consumer[0] >= position

    def read(self, limit: int) -> list[bytes]:
        """Return at most `limit` records that follow those already read."""
        at, end, mask = self._read_to, self.position(), self._mask
        found: list[tuple[int, int]] = []
        while at < end and len(found) < limit:
            length = self._lengths[(at & mask) >> 2]
            if length & _BUSY:
                break
            if not length & _DISCARD:
                start = (at & mask) + _HEADER_BYTES
                found.append((start, start + length))
            at += ((length & ~_DISCARD) + _HEADER_BYTES + 7) & ~7
        # The lengths were read before the data is: a release and an acquire of the same lock order the two on
        # processors that would reorder loads (arm64).
        self._barrier.release()
        self._barrier.acquire()
        records = [bytes(self._data[start:stop]) for start, stop in found]
        self._read_to = at
        return records

    def acknowledge(self) -> None:
        """Give the space of all that was read back to the kernel."""
        self._consumer[0] = self._read_to

    def close(self) -> None:
        """Unmap the ring."""
        for view in (self._lengths, self._data, self._producer, self._consumer):
            view.release()
        self._consumer_page.close()
        self._producer_pages.close()
