"""Memory and processor limits of a container; limit, unlimited and unknown are three things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rollcall.record import Limit, Resources

_UNLIMITED: Final = Limit(unlimited=True)
_UNKNOWN: Final = Limit()

_DEFAULT_PERIOD_US: Final = 100_000
"""The kernel's period where only a quota was set (Documentation/scheduler/sched-bwc.rst)."""

_V1_MEMORY_UNLIMITED: Final = 1 << 62
"""Version 1 shows "no limit" as the largest multiple of a page in a signed 64-bit number, just below 1 << 63."""


def limits(
    memory_bytes: int, cpu_quota_us: int, cpu_period_us: int, unified: Mapping[str, str], source: str
) -> Resources:
    """Give limits in CRI's and the OCI runtime specification's terms: 0 and below is no limit.

    `unified` are version 2's own files, which the runtime writes last and which therefore win.
    """
    memory = _memory(memory_bytes)
    cpu = _cpu(cpu_quota_us, cpu_period_us)
    if (text := unified.get("memory.max")) is not None:
        memory = _memory_max(text)
    if (text := unified.get("cpu.max")) is not None:
        cpu = _cpu_max(text)
    return Resources(memory=memory, cpu=cpu, source=source)


def limits_from_spec(resources: object, source: str) -> Resources:
    """Give the limits of `linux.resources` of an OCI runtime specification; any shape may come, no key is needed."""
    if not isinstance(resources, dict):
        return Resources()
    memory = _mapping(resources.get("memory"))
    cpu = _mapping(resources.get("cpu"))
    unified = {key: text for key, text in _mapping(resources.get("unified")).items() if isinstance(text, str)}
    return limits(_integer(memory, "limit"), _integer(cpu, "quota"), _integer(cpu, "period"), unified, source)


def limits_from_cgroup(read: Callable[[str], str | None]) -> Resources:
    """Give the limits that a container's cgroup has now.

    `read` returns a file of the cgroup by its name (on version 1 of the controller's own hierarchy), None where there
    is none. Runtimes write the files after the directory was made, so this says something only once the container runs.
    """
    if (text := read("memory.max")) is not None:
        memory = _memory_max(text)
    else:
        memory = _memory_v1(read("memory.limit_in_bytes"))
    if (text := read("cpu.max")) is not None:
        cpu = _cpu_max(text)
    else:
        cpu = _cpu_v1(read("cpu.cfs_quota_us"), read("cpu.cfs_period_us"))
    known = memory != _UNKNOWN or cpu != _UNKNOWN
    return Resources(memory=memory, cpu=cpu, source="cgroup" if known else None)


def _memory(limit: int) -> Limit:
    return Limit(limit=limit) if 0 < limit < _V1_MEMORY_UNLIMITED else _UNLIMITED


def _cpu(quota_us: int, period_us: int) -> Limit:
    if quota_us <= 0:
        return _UNLIMITED
    period = period_us if period_us > 0 else _DEFAULT_PERIOD_US
    return Limit(limit=max(quota_us * 1000 // period, 1))


def _memory_max(text: str) -> Limit:
    text = text.strip()
    if text == "max":
        return _UNLIMITED
    return Limit(limit=int(text)) if _is_number(text) else _UNKNOWN


def _cpu_max(text: str) -> Limit:
    """Read `cpu.max`: a quota or `max`, and a period that may be left out when it is written."""
    quota, _, period = text.strip().partition(" ")
    if quota == "max":
        return _UNLIMITED
    if not _is_number(quota) or (period and not _is_number(period)):
        return _UNKNOWN
    return _cpu(int(quota), int(period or _DEFAULT_PERIOD_US))


def _memory_v1(text: str | None) -> Limit:
    return _memory(int(text)) if text is not None and _is_number(text.strip()) else _UNKNOWN


def _cpu_v1(quota: str | None, period: str | None) -> Limit:
    if quota is None or not _is_number(quota.strip().removeprefix("-")):
        return _UNKNOWN
    if period is None or not _is_number(period.strip()):
        return _UNLIMITED if int(quota) < 0 else _UNKNOWN
    return _cpu(int(quota), int(period))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(1 << 64))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _integer(values: Mapping[str, object], key: str) -> int:
    value = values.get(key)
    return value if type(value) is int else 0
