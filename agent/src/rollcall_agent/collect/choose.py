"""Opens the collector that was asked for, or the one that works here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

from rollcall_agent.collect.bcc import BccCollector
from rollcall_agent.collect.core import CoreCollector
from rollcall_agent.collect.problem import CollectorProblem

if TYPE_CHECKING:
    from pathlib import Path

    from rollcall_agent.collect.event import Collector
    from rollcall_agent.collect.hierarchy import Hierarchy

Kind = Literal["auto", "core", "bcc"]

log = structlog.get_logger()


def open_collector(
    kind: Kind, *, hierarchy: Hierarchy, attach_number: int, ring_size: int = 1 << 20, pin: Path | None = None
) -> Collector:
    """Attach with CO-RE (`core`), with bcc (`bcc`), or with CO-RE and else with bcc (`auto`).

    Args:
        kind: Which collector.
        hierarchy: The cgroup hierarchy to follow.
        attach_number: The number of this attach, in each record and in the books.
        ring_size: Bytes of the ring buffer, rounded up as the kernel wants it.
        pin: Directory on a bpffs that keeps the probe while no process reads; CO-RE alone can.

    Raises:
        CollectorProblem: what is missing and what to do, for both where both were tried.
    """
    if kind == "bcc":
        if pin is not None:
            raise CollectorProblem(
                "bcc can't pin its probe.", "Leave --pin out, or use `--collector core`, which keeps it over a restart."
            )
        return BccCollector.attach(hierarchy, attach_number=attach_number, ring_size=ring_size)
    try:
        return CoreCollector.attach(hierarchy, attach_number=attach_number, ring_size=ring_size, pin=pin)
    except CollectorProblem as core:
        if kind == "core" or pin is not None:
            raise
        try:
            collector = BccCollector.attach(hierarchy, attach_number=attach_number, ring_size=ring_size)
        except CollectorProblem as bcc:
            raise CollectorProblem(
                f"Neither collector works here. CO-RE: {core.what} bcc: {bcc.what}",
                f"For CO-RE: {core.remedy} For bcc: {bcc.remedy}",
                detail="\n".join(part for part in (core.detail, bcc.detail) if part),
            ) from bcc
        log.warning("CO-RE does not work here; bcc is used.", reason=core.what, remedy=core.remedy)
        return collector
