"""The bytes that the kernel program and this process exchange: records, counters, control. Pure.

The layouts are those of bpf/rollcall.bpf.c. A record names its schema; a decoder is kept for each schema that may still
lie in a pinned ring.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct as Layout
from typing import Final

from rollcall_agent.collect.event import CgroupEvent, Kind, WaysOut

SCHEMA: Final = 1

_PATH_CUT: Final = 1
_HEADER: Final = Layout("=HBBIQQIIHHHH")
_WAYS: Final = Layout("=7Q")
_CONTROL: Final = Layout("=IIQQQ")

CONTROL_BYTES: Final = _CONTROL.size
WAYS_BYTES: Final = _WAYS.size
BUDGET_BYTES: Final = 24
ROOT_BYTES: Final = 8

QUIET_AFTER_NS: Final = 600 * 10**9
"""A program that nobody has renewed for this long goes quiet: longer than any restart, shorter than a day."""


class UnknownSchemaError(ValueError):
    """A record of a schema that nobody here can read."""


def _decode_1(raw: bytes) -> CgroupEvent:
    (_, kind, flags, attach, cgroup_id, boot_ns, hierarchy, level, path_bytes, ancestors, leaf_bytes, _) = (
        _HEADER.unpack_from(raw)
    )
    at = _HEADER.size
    path = raw[at : at + path_bytes]
    at += (path_bytes + 7) & ~7
    above = tuple(memoryview(raw)[at : at + 8 * ancestors].cast("Q"))
    at += 8 * ancestors
    cut = bool(flags & _PATH_CUT)
    return CgroupEvent(
        kind=Kind(kind),
        attach=attach,
        cgroup_id=cgroup_id,
        hierarchy=hierarchy,
        level=level,
        boot_ns=boot_ns,
        path=path,
        leaf=raw[at : at + leaf_bytes] if cut else path.rpartition(b"/")[2],
        path_cut=cut,
        ancestors=above,
    )


DECODERS: Final[dict[int, Callable[[bytes], CgroupEvent]]] = {1: _decode_1}


def decode(raw: bytes) -> CgroupEvent:
    """Decode one record of any schema that is still known.

    Raises:
        UnknownSchemaError: the schema is none of `DECODERS`.
    """
    schema = int.from_bytes(raw[:2], "little")
    decoder = DECODERS.get(schema)
    if decoder is None:
        raise UnknownSchemaError(f"a record has schema {schema}; known are {sorted(DECODERS)}")
    return decoder(raw)


def ways_out(per_cpu: bytes) -> WaysOut:
    """Add up the counters of all CPUs."""
    sums = [sum(column) for column in zip(*_WAYS.iter_unpack(per_cpu), strict=True)]
    return WaysOut(
        seen=sums[0],
        other_hierarchy=sums[1],
        never_a_container=sums[2],
        throttled=sums[3],
        quiet=sums[4],
        submitted=sums[5],
        lost=sums[6],
    )


def control(*, hierarchy: int, attach: int, quiet_at_ns: int, window_ns: int, limit: int) -> bytes:
    """Pack the program's settings."""
    return _CONTROL.pack(hierarchy, attach, quiet_at_ns, window_ns, limit)


def control_of(raw: bytes) -> tuple[int, int]:
    """Return (hierarchy, attach number) of the program's settings."""
    hierarchy, attach, *_ = _CONTROL.unpack(raw)
    return hierarchy, attach
