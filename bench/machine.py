"""The machine: what it is, and how much of its processors is idle."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rollcall_agent.collect.hierarchy import followed_here

_BPF_STATISTICS: Final = Path("/proc/sys/kernel/bpf_stats_enabled")


def describe(command: str) -> dict[str, str]:
    """Name the machine, the kernel, the date, the command and the versions."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    python = f"Python {platform.python_version()}, grpcio {version('grpcio')}, msgspec {version('msgspec')}"
    return {
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) >> 10 if memory else 0} MiB",
        "kernel": f"{platform.release()}, {followed_here().describe()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f"`{command}`",
        "rollcall": f"{version('rollcall')}, {_first_line('git', 'rev-parse', '--short', 'HEAD')}; {python}",
        "runtime": f"{_first_line('containerd', '--version')}; {_first_line('runc', '--version')}",
        "bpf": f"{_first_line('dpkg-query', '-W', 'libbpf1')}; {_first_line('dpkg-query', '-W', 'python3-bpfcc')}",
        "load before": f"{os.getloadavg()[0]:.2f} (1 min)",
    }


class Idle:
    """The processors' idle share of all time since it was made."""

    def __init__(self) -> None:
        self._before = _ticks()

    def percent(self) -> float:
        """Return the share until now, in percent."""
        idle, total = (after - before for after, before in zip(_ticks(), self._before, strict=True))
        return 100 * idle / max(1, total)


@contextmanager
def bpf_statistics() -> Iterator[None]:
    """Have the kernel time each run of a BPF program (Documentation/admin-guide/sysctl/kernel.rst)."""
    before = _BPF_STATISTICS.read_text()
    _BPF_STATISTICS.write_text("1")
    try:
        yield
    finally:
        _BPF_STATISTICS.write_text(before)


def pace(number: int, rate: float, begun: float) -> None:
    """Wait until it is time for a feed's `number`th thing, at `rate` a second since `begun` (monotonic)."""
    time.sleep(max(0.0, begun + number / rate - time.monotonic()))


def _ticks() -> tuple[int, int]:
    """Idle and all time of all processors, in ticks (proc_stat(5)); `guest` is within `user`."""
    fields = [int(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"{command[0]}: unknown"
    return done.stdout.partition("\n")[0].replace("\t", " ")
