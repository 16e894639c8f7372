"""`make bench`: every measurement with both collectors, then the page."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from bench import judging, rates, standing, starts
from bench.machine import describe
from bench.result import Row
from bench.site import Rows, Site
from bench.tables import line, page
from lab.cgroups import mounted
from lab.node_lab import PROGRAMS, node_lab
from rollcall_agent.collect.bcc import TRACEFS

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
COLLECTORS: Final = ("core", "bcc")
MEASUREMENTS: Final[tuple[Callable[[Site], Rows], ...]] = (
    starts.measure,
    standing.idle,
    standing.attaching,
    standing.slowing,
    standing.killed,
    rates.measure,
)


def main() -> None:
    """Measure and write the page. Exit status 0 also where targets are missed: the page says so."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each measurement once and small: a test of the harness")
    parser.add_argument("--output", type=Path, default=PAGE, help="where the page goes")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("The benchmarks need root, for they attach to the kernel and run containers: sudo make bench")
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        sys.exit(f"Missing: {', '.join(missing)}. `make bench` installs what Debian has.")
    machine = describe("make bench" if arguments.output == PAGE else "python -m bench")
    rows = _measure(quick=arguments.quick)
    arguments.output.write_text(page(machine, rows))
    print(f"{arguments.output}: {sum(row.met is False for row in rows)} targets missed.")


def _measure(*, quick: bool) -> list[Row]:
    rows: list[Row] = []
    begun = time.monotonic()
    for row in judging.measure(quick=quick):
        rows.append(row)
        print(f"{time.monotonic() - begun:6.0f} s {line(row)}", flush=True)
    with _tracefs():
        for measurement in MEASUREMENTS:
            for collector in COLLECTORS:
                with node_lab() as lab:
                    for row in measurement(Site(lab, collector, quick)):
                        rows.append(row)
                        print(f"{time.monotonic() - begun:6.0f} s {line(row)}", flush=True)
    return rows


def _tracefs() -> AbstractContextManager[object]:
    """Mount tracefs, which bcc needs, where it is not."""
    if any((place / "events").is_dir() for place in TRACEFS):
        return nullcontext()
    return mounted("tracefs", "rw", TRACEFS[-1])


if __name__ == "__main__":
    main()
