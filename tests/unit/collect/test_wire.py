"""The bytes of the kernel program: what is packed as bpf/rollcall.h lays it out is read back as it was."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall_agent.collect import wire
from rollcall_agent.collect.event import CgroupEvent, Kind, WaysOut

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\n" not in name)


def pack(event: CgroupEvent) -> bytes:
    """Lay out a record as the program does: header, path padded to 8, ancestors, the leaf where the path was cut."""
    leaf = event.leaf if event.path_cut else b""
    header = struct.pack(
        "=HBBIQQIIHHHH",
        *(1, event.kind, event.path_cut, event.attach, event.cgroup_id, event.boot_ns, event.hierarchy, event.level),
        *(len(event.path), len(event.ancestors), len(leaf), 0),
    )
    padding = bytes(-len(event.path) % 8) if event.ancestors or leaf else b""
    return header + event.path + padding + struct.pack(f"={len(event.ancestors)}Q", *event.ancestors) + leaf


@st.composite
def events(draw: st.DrawFn) -> CgroupEvent:
    leaf = draw(NAMES)
    cut = draw(st.booleans())
    path = b"/" + leaf if not cut else draw(st.binary(min_size=1023, max_size=1023))
    return CgroupEvent(
        kind=draw(st.sampled_from(Kind)),
        attach=draw(U32),
        cgroup_id=draw(U64),
        hierarchy=draw(U32),
        level=draw(U32),
        boot_ns=draw(U64),
        path=path,
        leaf=leaf,
        path_cut=cut,
        ancestors=tuple(draw(st.lists(U64, max_size=16))),
    )


@given(events())
def test_a_record_is_read_as_it_was_written(event: CgroupEvent) -> None:
    assert wire.decode(pack(event)) == event


@given(events(), st.integers(2, 2**16 - 1))
def test_a_record_of_an_unknown_schema_is_refused_by_number(event: CgroupEvent, schema: int) -> None:
    with pytest.raises(wire.UnknownSchemaError, match=str(schema)):
        wire.decode(struct.pack("=H", schema) + pack(event)[2:])


@given(st.lists(st.lists(st.integers(0, 2**40), min_size=7, max_size=7), min_size=1, max_size=8))
def test_counters_are_the_sums_over_processors(per_cpu: list[list[int]]) -> None:
    raw = b"".join(struct.pack("=7Q", *values) for values in per_cpu)
    seen, other, never, throttled, quiet, submitted, lost = (sum(column) for column in zip(*per_cpu, strict=True))
    assert wire.ways_out(raw) == WaysOut(
        seen=seen,
        other_hierarchy=other,
        never_a_container=never,
        throttled=throttled,
        quiet=quiet,
        submitted=submitted,
        lost=lost,
    )


def test_the_difference_is_what_left_by_no_way() -> None:
    assert (
        WaysOut(seen=21, other_hierarchy=1, never_a_container=2, throttled=3, quiet=4, submitted=5, lost=6).difference
        == 0
    )
    assert WaysOut(seen=3, submitted=1).difference == 2


@given(U32, U32)
def test_settings_tell_the_hierarchy_and_the_attach(hierarchy: int, attach: int) -> None:
    raw = wire.control(hierarchy=hierarchy, attach=attach, quiet_at_ns=2**63, window_ns=1, limit=2)
    assert len(raw) == wire.CONTROL_BYTES
    assert wire.control_of(raw) == (hierarchy, attach)
