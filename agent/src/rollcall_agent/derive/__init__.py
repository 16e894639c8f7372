"""From a `CgroupEvent` to a `ContainerCandidate`, or to the named reason why it is none. Pure."""

from rollcall_agent.derive.candidate import ContainerCandidate, NotARoot, Rejection
from rollcall_agent.derive.root import below, derive, unknown_namespace

__all__ = ["ContainerCandidate", "NotARoot", "Rejection", "below", "derive", "unknown_namespace"]
