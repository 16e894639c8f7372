"""What is asked about a candidate, what is known at the end, and what a runtime lists."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from rollcall.record import Container, Image, Pod, Resolution, Resources, Runtime
from rollcall_agent.derive.candidate import ContainerCandidate


class State(StrEnum):
    """How far a container is in its life, as its runtime says."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


class Question(Struct, frozen=True, kw_only=True):
    """Whose is this candidate, from which image? `key` is the asker's own, `noticed_ns` is of the monotonic clock."""

    key: int
    candidate: ContainerCandidate
    cgroup_id: int
    noticed_ns: int


class Facts(Struct, frozen=True, kw_only=True):
    """What is known at the end of one question. Times are wall clock, ns, None where the runtime gave none.

    `reason` (CamelCase) and `message` say why it is not `Resolved`.
    """

    resolution: Resolution
    reason: str | None = None
    message: str | None = None
    runtime: Runtime = Runtime()
    image: Image = Image()
    container: Container = Container()
    pod: Pod = Pod()
    resources: Resources = Resources()
    state: State | None = None
    created_ns: int | None = None
    started_ns: int | None = None
    finished_ns: int | None = None


class Miss(Struct, frozen=True, kw_only=True):
    """A try that did not settle the question: why, and what it did find out. Another try may, if it is worth one."""

    reason: str
    message: str
    partial: Facts | None = None
    again: bool = True


Answer = Facts | Miss
"""What one try at one runtime comes back with."""


class Listed(Struct, frozen=True, kw_only=True):
    """One container or sandbox that a runtime lists. Times are wall clock, ns; None is: the list does not say.

    `sandbox` is None where the list does not tell; `namespace` is containerd's, for what CRI does not show; `pid` is of
    its first process where one runs; `cgroups_path` is as in its OCI specification.
    """

    container_id: str
    runtime: Runtime
    state: State
    sandbox: bool | None = None
    namespace: str | None = None
    created_ns: int | None = None
    started_ns: int | None = None
    finished_ns: int | None = None
    pid: int | None = None
    cgroups_path: str | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """All that one runtime lists, or why it could not be asked: an incomplete list proves no container's absence."""

    endpoint: str
    runtime: Runtime
    items: tuple[Listed, ...] = ()
    error: str | None = None
