"""JSON lines: the record of docs/events.md, and the flat form with the ten arguments of `container_create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rollcall.record import ContainerCreate
from rollcall.times import nanoseconds

if TYPE_CHECKING:
    from rollcall.judge import Verdict
    from rollcall.violations import Transition


class _Silent:
    """Tells nothing of violations."""

    tells = False

    def alert(self, transition: Transition) -> bytes:  # noqa: ARG002  # as `Format` has it
        """See `Format`."""
        return b""


class JsonLines(_Silent):
    """One whole record a line, with its verdict as one more field."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def header(self) -> bytes:
        """See `Format`."""
        return b""

    def line(self, record: ContainerCreate, verdict: Verdict | None = None) -> bytes:
        """See `Format`."""
        whole = self._encoder.encode(record)
        if verdict is not None:  # a record is never empty: its last brace closes at least one field
            whole = whole[:-1] + b',"verdict":' + self._encoder.encode(verdict) + b"}"
        return whole + b"\n"


class AlertLines:
    """One line for each thing that becomes of a violation, and nothing of starts."""

    tells = True

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def header(self) -> bytes:
        """See `Format`."""
        return b""

    def line(self, record: ContainerCreate, verdict: Verdict | None = None) -> bytes:  # noqa: ARG002  # as `Format`
        """See `Format`."""
        return b""

    def alert(self, transition: Transition) -> bytes:
        """See `Format`."""
        return self._encoder.encode(transition) + b"\n"


class Flat(msgspec.Struct, frozen=True, kw_only=True):
    """The ten arguments of the `container_create` event as its published documentation names them; `ctime` in ns."""

    runtime: str | None
    container_id: str
    ctime: int | None
    container_image: str | None
    container_image_digest: str | None
    container_name: str | None
    pod_name: str | None
    pod_namespace: str | None
    pod_uid: str | None
    pod_sandbox: bool | None


def flat(record: ContainerCreate) -> Flat:
    """Reduce a record to the ten arguments, None for what is unknown."""
    return Flat(
        runtime=record.runtime.name or None,
        container_id=record.container_id,
        ctime=nanoseconds(record.ctime) if record.ctime else None,
        container_image=record.image.requested,
        container_image_digest=record.image.digest,
        container_name=record.container.name,
        pod_name=record.pod.name,
        pod_namespace=record.pod.namespace,
        pod_uid=record.pod.uid,
        pod_sandbox=record.pod.sandbox,
    )


class FlatLines(_Silent):
    """One line with exactly the ten arguments a record."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def header(self) -> bytes:
        """See `Format`."""
        return b""

    def line(self, record: ContainerCreate, verdict: Verdict | None = None) -> bytes:  # noqa: ARG002  # as `Format`
        """See `Format`."""
        return self._encoder.encode(flat(record)) + b"\n"
