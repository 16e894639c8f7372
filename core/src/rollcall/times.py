"""Wall times as text: RFC 3339 in UTC with microseconds, the form of Kubernetes' MicroTime."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(wall_ns: int) -> str:
    """Write a wall time, ns since 1970."""
    moment = _EPOCH + timedelta(microseconds=wall_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanoseconds(text: str) -> int:
    """Undo `rfc3339`, to the microsecond that it kept."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


def moment(text: str) -> int:
    """Read a time that a person wrote, as `2027-01-31T00:00:00Z` or with an offset: RFC 3339. Returns ns since 1970.

    Raises:
        ValueError: it is none, or has no zone.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("no time of RFC 3339")
    return nanoseconds(text.upper())


def normal(text: str | None) -> str | None:
    """Write a time in the one form whose order is that of its text; None where there is none, or no time in it."""
    if text is None:
        return None
    try:
        return rfc3339(nanoseconds(text))
    except (ValueError, TypeError, OverflowError):
        return None
