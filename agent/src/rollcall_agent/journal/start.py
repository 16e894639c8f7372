"""A row of the journal: one start of one container, and how far it has come."""

from __future__ import annotations

import sqlite3
import zlib
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from rollcall.record import ContainerCreate, Origin, Resolution, TimeSource
from rollcall_agent.derive.candidate import ContainerCandidate


class State(StrEnum):
    """Where a start stands. It moves only forwards, but for a late answer: `written` to `ready`, once."""

    PENDING = "pending"
    """Seen; not yet known whose it is."""
    READY = "ready"
    """Answered; waits for a sink, or is in its hands (it has a sequence then)."""
    WRITTEN = "written"
    """A sink has it."""
    SANDBOX = "sandbox"
    """A pod's sandbox, and nobody asked for those."""
    DROPPED = "dropped"
    """Given up, for the reason in `drop_reason`."""


class Revision(StrEnum):
    """Which answer the record is: the first one, or the one that supersedes an unresolved start."""

    FIRST = "0"
    LATE = "late"


class Start(Struct, frozen=True, kw_only=True):
    """One start. Who adds it gives the first part; the journal fills the second.

    `*_ns` are nanoseconds: `boot_ns` since boot, the others of the wall clock, None where unknown. `path` and `leaf`
    are the kernel's bytes. `record` is what was resolved, without its place in the journal and without its end.
    """

    identity: str
    candidate: ContainerCandidate
    boot_id: str
    cgroup_id: int
    hierarchy: int
    origin: Origin
    read_ns: int
    attach: int | None = None
    path: bytes = b""
    path_cut: bool = False
    leaf: bytes = b""
    boot_ns: int | None = None
    ctime_ns: int | None = None
    ctime_source: TimeSource | None = None
    started_ns: int | None = None
    finished_ns: int | None = None

    row: int = 0
    state: State = State.PENDING
    drop_reason: str | None = None
    resolution: Resolution | None = None
    record: ContainerCreate | None = None
    sequence: int | None = None
    revision: Revision = Revision.FIRST
    ended_ns: int | None = None
    ended_source: TimeSource | None = None

    @property
    def container_id(self) -> str:
        """The id that the path or a listing gave."""
        return self.candidate.container_id


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ContainerCreate)


def pack(record: ContainerCreate) -> bytes:
    """Give the stored form of a record: zlib over JSON.

    Packed, since ten minutes of 30 starts a second with 2.5 kB each must fit in 64 MiB: plain, rows of this size fill a
    page of SQLite by three quarters, and 18,000 of them do not.
    """
    return zlib.compress(_encoder.encode(record), 1)


def unpack(blob: bytes) -> ContainerCreate:
    """Undo `pack`."""
    return _decoder.decode(zlib.decompress(blob))


def signed(cgroup_id: int) -> int:
    """Give an unsigned 64-bit id as the signed integer that SQLite stores."""
    return cgroup_id - (1 << 64) if cgroup_id >> 63 else cgroup_id


def columns(start: Start) -> dict[str, Any]:
    """Give the columns of a start that is added: all that the journal does not fill itself."""
    candidate = start.candidate
    return {
        "identity": start.identity,
        "container_id": candidate.container_id,
        "runtime": candidate.runtime,
        "namespace": candidate.namespace,
        "pod_uid": candidate.pod_uid,
        "nested_below": candidate.nested_below,
        "maker_has_api": candidate.maker_has_api,
        "sandbox": candidate.sandbox,
        "boot_id": start.boot_id,
        "cgroup_id": signed(start.cgroup_id),
        "hierarchy": start.hierarchy,
        "origin": start.origin,
        "read_ns": start.read_ns,
        "attach": start.attach,
        "path": start.path,
        "path_cut": start.path_cut,
        "leaf": start.leaf,
        "boot_ns": start.boot_ns,
        "ctime_ns": start.ctime_ns,
        "ctime_source": start.ctime_source,
        "started_ns": start.started_ns,
        "finished_ns": start.finished_ns,
    }


def from_row(row: sqlite3.Row) -> Start:
    """Give the start that a row of the table `starts` holds."""
    return Start(
        identity=row["identity"],
        candidate=ContainerCandidate(
            container_id=row["container_id"],
            runtime=row["runtime"],
            namespace=row["namespace"],
            pod_uid=row["pod_uid"],
            nested_below=row["nested_below"],
            maker_has_api=bool(row["maker_has_api"]),
            sandbox=None if row["sandbox"] is None else bool(row["sandbox"]),
        ),
        boot_id=row["boot_id"],
        cgroup_id=row["cgroup_id"] % (1 << 64),
        hierarchy=row["hierarchy"],
        origin=Origin(row["origin"]),
        read_ns=row["read_ns"],
        attach=row["attach"],
        path=row["path"],
        path_cut=bool(row["path_cut"]),
        leaf=row["leaf"],
        boot_ns=row["boot_ns"],
        ctime_ns=row["ctime_ns"],
        ctime_source=_source(row["ctime_source"]),
        started_ns=row["started_ns"],
        finished_ns=row["finished_ns"],
        row=row["id"],
        state=State(row["state"]),
        drop_reason=row["drop_reason"],
        resolution=None if row["resolution"] is None else Resolution(row["resolution"]),
        record=None if row["record"] is None else unpack(row["record"]),
        sequence=row["sequence"],
        revision=Revision(row["revision"]),
        ended_ns=row["ended_ns"],
        ended_source=_source(row["ended_source"]),
    )


def _source(text: str | None) -> TimeSource | None:
    return None if text is None else TimeSource(text)
