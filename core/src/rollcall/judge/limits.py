"""Limits on resources: what a policy asks for against what was set when the container was made."""

from __future__ import annotations

from msgspec import Struct

from rollcall.judge.verdict import Cause
from rollcall.policy.model import Limits, ResourceName
from rollcall.policy.quantity import cpu_thousandths, memory_bytes
from rollcall.record import Limit, Resources


class _Bound(Struct, frozen=True):
    name: ResourceName
    required: bool
    most: int | None
    written: str


class CompiledLimits:
    """A policy's `limits`, compiled."""

    __slots__ = ("_bounds",)

    def __init__(self, limits: Limits) -> None:
        highest = limits.max
        memory = highest.memory if highest is not None else None
        cpu = highest.cpu if highest is not None else None
        self._bounds = (
            _Bound(
                ResourceName.MEMORY,
                ResourceName.MEMORY in limits.require,
                memory_bytes(memory) if memory is not None else None,
                str(memory),
            ),
            _Bound(
                ResourceName.CPU,
                ResourceName.CPU in limits.require,
                cpu_thousandths(cpu) if cpu is not None else None,
                str(cpu),
            ),
        )

    def failure(self, resources: Resources) -> tuple[Cause, str] | None:
        """Return why the limits are not met, None where they are. What is unknown is an error, never a pass."""
        broken: list[str] = []
        unknown: list[str] = []
        for bound in self._bounds:
            if not bound.required and bound.most is None:
                continue
            limit = resources.memory if bound.name is ResourceName.MEMORY else resources.cpu
            if limit.limit is None and not limit.unlimited:
                unknown.append(f"its limit of {bound.name} is unknown")
            elif (why := _broken(bound, limit)) is not None:
                broken.append(why)
        if broken:
            return Cause.LIMITS, ", ".join(broken)
        return (Cause.LIMITS_UNKNOWN, ", ".join(unknown)) if unknown else None


def _broken(bound: _Bound, limit: Limit) -> str | None:
    if limit.limit is None:
        return f"it has no limit of {bound.name}"
    if bound.most is None or limit.limit <= bound.most:
        return None
    unit = "bytes" if bound.name is ResourceName.MEMORY else "thousandths of a core"
    return f"its limit of {bound.name}, {limit.limit} {unit}, is above {bound.written}"
