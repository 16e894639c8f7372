"""Drops this process' rights, as a unit with few capabilities would have them."""

from __future__ import annotations

import ctypes
import os
import struct

CAP_PERFMON, CAP_BPF = 38, 39  # include/uapi/linux/capability.h

_PR_SET_KEEPCAPS, _PR_SET_DUMPABLE = 8, 4
_VERSION_3 = 0x20080522


def become_nobody(*capabilities: int) -> None:
    """Become an unprivileged user with these capabilities and no others. There is no way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    mask = sum(1 << capability for capability in capabilities)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _VERSION_3, 0)
    data = struct.pack("=6I", low, low, 0, high, high, 0)  # effective, permitted, inheritable, in two halves
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self is root's
