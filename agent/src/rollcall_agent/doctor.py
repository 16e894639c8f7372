"""What this machine has and lacks, as findings: each a small function of a text, a path or a number.

Whether the probe works is not concluded from them: it is attached and detached for real (command/doctor.py), and these
say why not, and what else is missing.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from rollcall_agent.collect.hierarchy import followed
from rollcall_agent.collect.problem import CollectorProblem
from rollcall_agent.collect.refusal import (
    MEMLOCK_UNTIL,
    OLDEST,
    confidential,
    kernel_release,
    missing_capabilities,
    too_old,
)


class State(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """`rollcall watch` works without it, with less."""
    ERROR = "error"
    """`rollcall watch` does not work."""


class Finding(Struct, frozen=True, kw_only=True):
    """One fact about this machine; `remedy` says what to do, empty where nothing is."""

    subject: str
    state: State
    says: str
    remedy: str = ""


class Gives(Struct, frozen=True, rename="camel"):
    """What a collector can do beside telling of starts and ends."""

    pinning: bool
    ancestors: bool
    limit: bool
    leaf_of_cut_path: bool
    unprivileged_user: bool


class Ability(Struct, frozen=True, kw_only=True):
    """Whether one collector works here, and what it gives."""

    name: str
    works: bool
    says: str
    remedy: str = ""
    gives: Gives


class Answer(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a runtime's socket answered. `name` and `version` are the runtime's own words, hostile until escaped."""

    endpoint: str
    name: str = ""
    version: str = ""
    latency_ms: float | None = None
    problem: str = ""


class Report(Struct, frozen=True, kw_only=True, rename="camel"):
    """All of it. `watch_works` is the exit status."""

    watch_works: bool
    findings: list[Finding]
    collectors: list[Ability]
    runtimes: list[Answer]


CORE_GIVES: Final = Gives(True, True, True, True, True)  # noqa: FBT003  # all that there is
BCC_GIVES: Final = Gives(False, False, False, False, False)  # noqa: FBT003  # none of it
"""Without struct layouts there are no ancestors and no leaf; tracefs is root's; bcc has no pins."""

_NO_LIMIT: Final = -1  # RLIM_INFINITY as the resource module shows it


def kernel(release: str) -> Finding:
    """Say whether this kernel is new enough."""
    if kernel_release(release) < OLDEST:
        return lack("kernel", too_old(release), State.ERROR)
    return Finding(subject="kernel", state=State.OK, says=release)


def type_information(path: Path) -> Finding:
    """Say whether the kernel has BTF, which CO-RE needs."""
    if path.exists():
        return Finding(subject="BTF", state=State.OK, says=str(path))
    return Finding(
        subject="BTF",
        state=State.WARNING,
        says=f"{path} is missing: CO-RE does not work.",
        remedy="Run a kernel built with CONFIG_DEBUG_INFO_BTF, or use bcc.",
    )


def capabilities(status: str) -> Finding:
    """Say from the text of /proc/self/status which capabilities are missing."""
    if missing := missing_capabilities(status):
        return Finding(
            subject="capabilities",
            state=State.ERROR,
            says=f"This process lacks {' and '.join(missing)}.",
            remedy="Run it as root, or give it CAP_BPF and CAP_PERFMON.",
        )
    return Finding(subject="capabilities", state=State.OK, says="CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN")


def lockdown(text: str) -> Finding:
    """Say from the text of /sys/kernel/security/lockdown, empty where there is none, whether names can be read."""
    if confidential(text):
        return Finding(
            subject="lockdown",
            state=State.ERROR,
            says="confidentiality: the kernel refuses to read the names of cgroups.",
            remedy="Boot with lockdown=integrity or lockdown=none.",
        )
    chosen = text.partition("[")[2].partition("]")[0]
    return Finding(subject="lockdown", state=State.OK, says=chosen or "none")


def unprivileged_bpf(text: str) -> Finding:
    """Say what /proc/sys/kernel/unprivileged_bpf_disabled holds (sysctl/kernel.rst)."""
    if text.strip() == "0":
        return Finding(
            subject="unprivileged bpf",
            state=State.WARNING,
            says="0: every user may load BPF programs. Nothing here needs that.",
            remedy="`sysctl kernel.unprivileged_bpf_disabled=2`",
        )
    says = f"{text.strip() or 'unknown'}: only with CAP_BPF, which is enough"
    return Finding(subject="unprivileged bpf", state=State.OK, says=says)


def memlock(release: str, limit: int) -> Finding:
    """Say whether maps fit the limit of locked memory (bytes, -1 for none), which counts on old kernels alone."""
    if kernel_release(release) >= MEMLOCK_UNTIL:
        return Finding(subject="memlock", state=State.OK, says="not counted since 5.11")
    if limit == _NO_LIMIT:
        return Finding(subject="memlock", state=State.OK, says="unlimited")
    return Finding(
        subject="memlock",
        state=State.WARNING,
        says=f"{limit} bytes, and a kernel below 5.11 counts maps against it.",
        remedy="`ulimit -l unlimited`, or LimitMEMLOCK=infinity in the unit.",
    )


def cgroups(self_cgroup: str, mountinfo: str) -> Finding:
    """Say which hierarchy is followed, from the texts of /proc/self/cgroup and /proc/self/mountinfo."""
    try:
        return Finding(subject="cgroups", state=State.OK, says=followed(self_cgroup, mountinfo).describe())
    except CollectorProblem as problem:
        return lack("cgroups", problem, State.ERROR)


def bpffs(mountinfo: str) -> Finding:
    """Say where a bpffs is mounted: pins need one."""
    mounts = [line.split()[4] for line in mountinfo.splitlines() if line.partition(" - ")[2].startswith("bpf ")]
    if mounts:
        return Finding(subject="bpffs", state=State.OK, says=", ".join(mounts))
    return Finding(
        subject="bpffs",
        state=State.WARNING,
        says="No bpffs is mounted: --pin does not work, and a restart has a gap.",
        remedy="`mount -t bpf bpf /sys/fs/bpf`",
    )


def program(path: Path) -> Finding:
    """Say whether the compiled CO-RE program is there."""
    if path.is_file():
        return Finding(subject="program", state=State.OK, says=str(path))
    return Finding(
        subject="program",
        state=State.WARNING,
        says=f"{path} is missing: CO-RE does not work.",
        remedy="Build it with `make bpf`, or reinstall the package.",
    )


def journal_directory(journal: Path) -> Finding:
    """Say whether the journal can be written at its usual place, or made there."""
    directory = next(path for path in journal.parents if path.exists())
    if journal.exists():
        directory = journal.parent
    if os.access(directory, os.W_OK | os.X_OK) and (not journal.exists() or os.access(journal, os.W_OK)):
        return Finding(subject="journal", state=State.OK, says=f"{journal} can be written")
    return Finding(
        subject="journal",
        state=State.ERROR,
        says=f"{journal} can't be written by uid {os.geteuid()}.",
        remedy=f"Run as root, make {journal.parent} writable, or name another file with --journal.",
    )


def runtimes(answers: list[Answer]) -> Finding:
    """Say whether somebody is there to tell whose a container is."""
    if any(not answer.problem for answer in answers):
        found = sum(not answer.problem for answer in answers)
        return Finding(subject="runtimes", state=State.OK, says=f"{found} answered")
    return Finding(
        subject="runtimes",
        state=State.WARNING,
        says="No container runtime answered: starts are seen, and nobody says whose they are.",
        remedy="Start containerd or CRI-O, or name its socket with --runtime-endpoint.",
    )


def lack(subject: str, problem: CollectorProblem, state: State = State.WARNING) -> Finding:
    """Return the finding of a problem."""
    return Finding(subject=subject, state=state, says=problem.what, remedy=problem.remedy)
