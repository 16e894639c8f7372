"""Writes the page: what it was measured on, one row a measurement, how each was measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bench.result import Row

HEADINGS: Final = (
    "what",
    "collector",
    "feed",
    "measured",
    "p50 ms",
    "p99 ms",
    "memory MiB",
    "processor time",
    "idle left",
    "target",
    "met",
    "Tracee: measured earlier, Tracee 0.24, not in this run",
)

METHOD: Final = """\
## How it is measured
- A record's latency is from its own `ctime`, the kernel's time of the `mkdir`, to the arrival of its printed line: a
  process of its own reads the pipe of `rollcall watch --output json` and stamps each line.
- A row compares with the ids that its own driver made. *Complete* is a record whose resolution is `Resolved`.
- Sandboxes are measured from the question of an own poller (`ListPodSandbox` every 2 ms) that showed the sandbox first.
  A figure below zero means that the record was printed before CRI showed the sandbox: containerd's own service knows it
  earlier. The poller's processor time is taken from the same machine.
- Processor time is the process's own clock, to the nanosecond; memory is its VmRSS, with the proportional set size
  (PSS) in brackets where it is named. *Idle left* is what the whole machine did not use; feed and runtime used theirs.
- *Attached* is from the start of the process until both of its links (core) or both perf events (bcc) are open in
  `/proc/PID/fd`, looked at every 2 ms.
- The scripted CRI is a server in Python that shows every container from before its `mkdir`: a load that no real runtime
  carries on this machine. Its own processor time is in *idle left* too.
- The kernel's cost is `run_time_ns` of both programs (`kernel.bpf_stats_enabled`) over a feed of directories made in
  the followed hierarchy alone, divided by the records submitted. Taking these statistics costs time of its own, which
  is in the figure.
- The judge is measured alone, by its thread's processor time, and no two of its starts are alike.
"""


def page(machine: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Return the whole page, in Markdown."""
    facts = "\n".join(f"| {name} | {cell(value)} |" for name, value in machine.items())
    lines = "\n".join(map(line, rows))
    head = f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}"
    missed = [row for row in rows if row.met is False]
    summary = f"{sum(row.met is True for row in rows)} targets met, {len(missed)} missed."
    return (
        f"# Benchmarks\n\nWritten by `make bench`; nobody edits it. {summary}\n\n| | |\n|---|---|\n{facts}\n\n"
        f"{head}\n{lines}\n\n{METHOD}"
    )


def line(row: Row) -> str:
    """Return one row of the table."""
    cells = (
        row.what,
        row.collector,
        row.feed,
        row.measured,
        number(row.p50),
        number(row.p99),
        number(row.memory),
        row.cpu,
        "" if row.idle is None else f"{row.idle:.0f}%",
        row.target,
        {True: "met", False: "**missed**", None: ""}[row.met],
        row.earlier,
    )
    return f"| {' | '.join(map(cell, cells))} |"


def number(value: float | None) -> str:
    """Write a figure with one decimal, two below ten."""
    if value is None:
        return ""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"  # noqa: PLR2004  # three digits are all that is known


def cell(text: str) -> str:
    """Make a text fit for a cell."""
    return text.replace("|", "\\|").replace("\n", " ")
