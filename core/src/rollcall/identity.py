"""The identity of a start: one short name for it, the same whoever noticed it."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_DIGITS: Final = 26  # 130 bits: no two of the starts that a cluster will ever see share them


def identity(
    boot_id: str, container_id: str, cgroup_id: int, *, revision: str = "0", started_ns: int | None = None
) -> str:
    """Return 26 digits (a-z, 2-7) of a hash over boot id, container id, cgroup id and revision.

    The same container id in a new cgroup is a new start. Where no cgroup was left to look at (id 0), the time at which
    the runtime says that it started (`started_ns`, ns since 1970) tells the starts of one id apart; else that time has
    no part in it, and may be given or not.

    Raises:
        ValueError: neither a cgroup nor a time was given, so that two starts would have one identity.
    """
    if cgroup_id == 0 and started_ns is None:
        raise ValueError(f"the start of {container_id} has no cgroup: the time of its start is needed")
    place = f"cgroup {cgroup_id}" if cgroup_id else f"started {started_ns}"
    whole = f"{boot_id}\0{container_id}\0{place}\0{revision}".encode("utf-8", "surrogatepass")
    return base64.b32encode(hashlib.sha256(whole).digest())[:_DIGITS].decode().lower()
