"""Turns a kernel's refusal into what is missing on this machine, and what to do about it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rollcall_agent.collect.problem import CollectorProblem

BTF = Path("/sys/kernel/btf/vmlinux")
LOCKDOWN = Path("/sys/kernel/security/lockdown")
OLDEST = (5, 8)
MEMLOCK_UNTIL = (5, 11)
"""Maps count against RLIMIT_MEMLOCK below it: 5.11 accounts them to the memory cgroup (80ee81e0403c)."""

_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39  # include/uapi/linux/capability.h


def kernel_release(release: str) -> tuple[int, int]:
    """Return (major, minor) of a release such as `6.1.0-13-amd64`."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def missing_capabilities(status: str) -> list[str]:
    """Return which of CAP_BPF and CAP_PERFMON the text of /proc/self/status lacks; CAP_SYS_ADMIN stands for both."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    effective = int(found[1], 16) if found else 0
    if effective >> _CAP_SYS_ADMIN & 1:
        return []
    return [name for name, bit in (("CAP_BPF", _CAP_BPF), ("CAP_PERFMON", _CAP_PERFMON)) if not effective >> bit & 1]


def confidential(lockdown: str) -> bool:
    """Say whether lockdown stands at `confidentiality`, which refuses reading kernel text (kernel_lockdown(7))."""
    return "[confidentiality]" in lockdown


def too_old(release: str) -> CollectorProblem:
    """Return the problem of a kernel below `OLDEST`."""
    return CollectorProblem(
        f"The kernel {release} is older than {OLDEST[0]}.{OLDEST[1]}, which brought the ring buffer.",
        "Run a newer kernel.",
    )


def lacks(*, release: str, status: str, btf: bool, lockdown: str) -> Iterator[CollectorProblem]:
    """Yield what the CO-RE collector lacks, by facts that can be looked at. Pure.

    `release` is uname's, `status` the text of /proc/self/status, `btf` whether the kernel has type information,
    `lockdown` the text of /sys/kernel/security/lockdown, empty where there is none.
    """
    if kernel_release(release) < OLDEST:
        yield too_old(release)
    if missing := missing_capabilities(status):
        yield CollectorProblem(
            f"This process lacks {' and '.join(missing)}.",
            "Run it as root, or give it CAP_BPF and CAP_PERFMON (systemd: AmbientCapabilities=CAP_BPF CAP_PERFMON).",
        )
    if not btf:
        yield CollectorProblem(
            f"The kernel has no type information: {BTF} is missing.",
            "Run a kernel built with CONFIG_DEBUG_INFO_BTF, or use `--collector bcc`, which needs kernel headers.",
        )
    if confidential(lockdown):
        yield CollectorProblem(
            "The kernel is locked down for confidentiality, which refuses to read the names of cgroups.",
            "Boot with lockdown=integrity or lockdown=none.",
        )


def lacks_here() -> list[CollectorProblem]:
    """Return what the CO-RE collector lacks on this machine."""
    return list(
        lacks(
            release=os.uname().release,
            status=Path("/proc/self/status").read_text(),
            btf=BTF.exists(),
            lockdown=LOCKDOWN.read_text() if LOCKDOWN.exists() else "",
        )
    )


def explain(error: OSError, last_words: str) -> CollectorProblem:
    """Return the problem behind a refusal: the first that can be looked at, else what the kernel's answer says."""
    for found in lacks_here():
        return CollectorProblem(found.what, found.remedy, detail=last_words)
    if error.errno == errno.EPERM and kernel_release(os.uname().release) < MEMLOCK_UNTIL:
        return CollectorProblem(
            "The kernel refused memory for the maps: below 5.11 it counts against RLIMIT_MEMLOCK.",
            "Raise it: `ulimit -l unlimited`, or LimitMEMLOCK=infinity in the unit.",
            detail=last_words,
        )
    if error.errno == errno.ENOENT:
        return CollectorProblem(
            f"{error.strerror}.", "Build the program with `make bpf`, or reinstall the package.", detail=last_words
        )
    return CollectorProblem(
        f"The kernel refused the program: {error.strerror}.",
        "Please report this with the lines below; `--collector bcc` may work meanwhile.",
        detail=last_words,
    )
