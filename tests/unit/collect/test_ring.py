"""The reader of the ring: records come once and in order, and none is let go of before it is acknowledged."""

from __future__ import annotations

import mmap
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall_agent.collect.ring import RingReader, ring_bytes

BUSY, DISCARD = 1 << 31, 1 << 30


@pytest.mark.parametrize("page", [4096, 16384, 65536])
@pytest.mark.parametrize("wanted", [0, 1, 4095, 4096, 4097, 65536, 100_000, 1 << 20])
def test_a_ring_is_a_power_of_two_and_whole_pages_and_no_smaller_than_wanted(page: int, wanted: int) -> None:
    size = ring_bytes(wanted, page)
    assert size >= wanted
    assert size % page == 0
    assert size.bit_count() == 1
    assert size == page or size < 2 * wanted


class Kernel:
    """Writes a ring as kernel/bpf/ringbuf.c does, into a file that holds the data twice, as the kernel maps it."""

    def __init__(self) -> None:
        self.page = self.size = mmap.PAGESIZE
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * self.page + 2 * self.size)
        self.produced = 0

    @property
    def consumed(self) -> int:
        return int(struct.unpack("=Q", os.pread(self.fd, 8, 0))[0])

    def write(self, record: bytes, flag: int = 0) -> int | None:
        """Append a record; return the place of its header, or None where it does not fit."""
        room = (len(record) + 8 + 7) & ~7
        if self.produced + room - self.consumed > self.size:
            return None
        at = self.produced
        for offset, byte in enumerate(struct.pack("=II", len(record) | flag, 0) + record):
            self.put((at + offset) % self.size, bytes([byte]))
        self.produced += room
        os.pwrite(self.fd, struct.pack("=Q", self.produced), self.page)
        return at % self.size

    def put(self, place: int, raw: bytes) -> None:
        for copy in (0, self.size):
            os.pwrite(self.fd, raw, 2 * self.page + copy + place)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=1500)),
        st.tuples(st.just("discard"), st.binary(max_size=100)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.tuples(st.just("acknowledge"), st.none()),
        st.tuples(st.just("die"), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_each_record_comes_once_in_order_and_again_only_if_its_reader_died_before_acknowledging(
    steps: list[tuple[str, bytes | int | None]],
) -> None:
    kernel = Kernel()
    reader = RingReader(kernel.fd, kernel.size)
    waiting: list[bytes] = []
    unacknowledged: list[bytes] = []
    for step, argument in steps:
        match step, argument:
            case "write", bytes(record):
                if kernel.write(record) is not None:
                    waiting.append(record)
            case "discard", bytes(record):
                kernel.write(record, DISCARD)
            case "read", int(limit):
                records = reader.read(limit)
                assert records == waiting[:limit]
                unacknowledged += records
                del waiting[:limit]
            case "acknowledge", _:
                reader.acknowledge()
                unacknowledged.clear()
            case _:
                reader.close()
                reader = RingReader(kernel.fd, kernel.size)
                waiting = unacknowledged + waiting
                unacknowledged = []
        assert reader.position() == kernel.produced
        assert reader.drained_to(kernel.produced) == (kernel.consumed == kernel.produced)
    reader.close()
    os.close(kernel.fd)


def test_a_record_that_is_still_being_written_holds_up_those_behind_it() -> None:
    kernel = Kernel()
    reader = RingReader(kernel.fd, kernel.size)
    kernel.write(b"first")
    place = kernel.write(b"second", BUSY)
    kernel.write(b"third")
    assert reader.read(10) == [b"first"]
    assert place is not None
    kernel.put(place, struct.pack("=I", len(b"second")))
    assert reader.read(10) == [b"second", b"third"]
    reader.close()
    os.close(kernel.fd)
