"""When a question is asked again: close together while a start is young, then ever more seldom, for a minute.

A runtime shows a container or a sandbox some milliseconds after its cgroup was made (CRI-O and containerd's sandboxes),
or never (a directory that only looks like a container).
"""

from __future__ import annotations

from typing import Final

MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000 * MILLISECOND

GIVE_UP_NS: Final = 60 * SECOND
"""Age at which a question is answered with what is known."""

COME_NS: Final = 3 * SECOND
"""Age until which a question waits for a runtime that may be just about to come back."""

_CLOSE_UNTIL: Final = 300 * MILLISECOND
_CLOSE: Final = 20 * MILLISECOND
_NEAR_UNTIL: Final = 1 * SECOND
_NEAR: Final = 50 * MILLISECOND
_FAR: Final = tuple(seconds * SECOND for seconds in (2, 5, 10, 20, 30, 40, 50, 58))
"""The last one leaves a slow runtime two seconds for its answer."""


TICK_NS: Final = _CLOSE
"""Tries fall on multiples of this, so that many can share one list."""


def next_try(noticed_ns: int, tried_ns: int) -> int | None:
    """Return when to ask next, given when the start was noticed and when the last try ended. None: it was the last."""
    age = tried_ns - noticed_ns
    if age + _CLOSE <= _CLOSE_UNTIL:
        return _aligned(tried_ns + _CLOSE)
    if age + _NEAR <= _NEAR_UNTIL:
        return _aligned(tried_ns + _NEAR)
    return next((when for far in _FAR if (when := _aligned(noticed_ns + far)) > tried_ns), None)


def _aligned(when_ns: int) -> int:
    """Move a time to the nearest tick."""
    return (when_ns + TICK_NS // 2) // TICK_NS * TICK_NS
