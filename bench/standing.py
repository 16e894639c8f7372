"""What the agent costs and does beside the starts: idle, attaching, the slowing of a feed, kills."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench import feeds
from bench.machine import Idle
from bench.result import Row, percentile, within
from bench.site import Rows, Site, counted
from bench.watch import started
from lab.cgroups import mounted
from lab.waiting import wait_until
from rollcall_agent.journal.reader import open_reader

_MIB: Final = 64.0
_IDLE_PERCENT: Final = 0.3
_ATTACH_MS: Final = 1000.0
_SLOWED_PERCENT: Final = 5.0
_SETTLE_S: Final = 3.0
_STARTS_A_SECOND: Final = 8.0
_KILLED_AFTER_S: Final = 0.2, 1.5
"""From the start of the process: some are killed before they have attached."""


def idle(site: Site) -> Rows:
    """Measure a process that nothing happens to: its memory and its processor time."""
    seconds = site.full(60, 2)
    with site.watching() as watch:
        watch.wait_for(feeds.ctr_runs(site.lab, 1, "/bin/true"))
        time.sleep(_SETTLE_S)
        before, machine, came = watch.processor_ns(), Idle(), watch.submitted()
        time.sleep(seconds)
        percent = (watch.processor_ns() - before) / seconds / 1e7
        left, memory, came = machine.percent(), watch.memory(), watch.submitted() - came
    yield Row(
        what="idle",
        collector=site.collector,
        feed=f"nothing for {seconds} s",
        measured=f"{percent:.2f}% of a core; {came} records of others' doing",
        cpu=f"{percent:.2f}% of a core",
        idle=left,
        target=f"{_IDLE_PERCENT:g}% of a core",
        met=percent <= _IDLE_PERCENT,
    )
    core = site.collector == "core"
    yield Row(
        what="memory, standalone",
        collector=site.collector,
        feed=f"after one start and {seconds} s",
        measured=f"{memory.resident:.1f} MiB (PSS {memory.proportional:.1f})",
        memory=memory.resident,
        idle=left,
        target=f"{_MIB:g} MiB resident" if core else "",
        met=memory.resident <= _MIB if core else None,
        earlier="150 MB, and 56 MB of BPF maps",
    )


def attaching(site: Site) -> Rows:
    """Measure how long a new process is blind, and what is made meanwhile."""
    took, machine = [], Idle()
    for _ in range(site.full(20, 2)):
        begun = time.monotonic()
        with site.started() as watch:
            wait_until(watch.attached, "rollcall watch has attached")
            took.append(1000 * (time.monotonic() - begun))
    p99 = percentile(took, 99)
    yield Row(
        what="start of the process to attached",
        collector=site.collector,
        feed=f"{len(took)} times, one after the other",
        measured=f"at most {max(took):.0f} ms",
        p50=percentile(took, 50),
        p99=p99,
        idle=machine.percent(),
        target=f"{_ATTACH_MS:g} ms",
        met=within(p99, _ATTACH_MS),
    )
    made: list[str] = []
    feed = threading.Thread(target=lambda: made.extend(feeds.ctr_starts(site.lab, site.full(40, 4), _STARTS_A_SECOND)))
    machine = Idle()
    feed.start()
    with site.started() as watch:
        feed.join()
        watch.wait_for(made)
        count = counted(made, watch)
    feeds.ctr_remove(site.lab, made)
    yield Row(
        what="made while the agent starts, still running",
        collector=site.collector,
        feed=f"{len(made)} `ctr run --detach`, {_STARTS_A_SECOND:g}/s, from the start of the process on",
        measured=str(count),
        idle=machine.percent(),
        target="each exactly one record",
        met=count.exact,
        earlier="75 of 400 never reported",
    )


def slowing(site: Site) -> Rows:
    """Measure the same feed without and with the agent, in turns that change places."""
    count, rounds = site.full(40, 4), site.full(8, 1)
    without: list[float] = []
    beside: list[float] = []

    def feed(times: list[float]) -> None:
        begun = time.monotonic()
        feeds.ctr_runs(site.lab, count, "/bin/true")
        times.append(time.monotonic() - begun)

    def feed_beside() -> None:
        with site.watching() as watch:
            watch.wait_for(feeds.ctr_runs(site.lab, 1, "/bin/true"))
            time.sleep(0 if site.quick else _SETTLE_S)  # what a start costs is not what standing by costs
            feed(beside)

    machine = Idle()
    for number in range(rounds):
        for one in (feed_beside, lambda: feed(without))[:: 1 if number % 2 else -1]:
            one()
    percent = 100 * (statistics.median(beside) / statistics.median(without) - 1)
    each = 1000 / count
    yield Row(
        what="a feed of `ctr run` slowed by",
        collector=site.collector,
        feed=f"{rounds} rounds of {count} without and {count} with, {feeds.TOGETHER} at a time",
        measured=(
            f"{percent:+.1f}%: {statistics.median(without) * each:.0f} ms a run without, "
            f"{statistics.median(beside) * each:.0f} ms with (medians of the rounds; "
            f"without {min(without) * each:.0f} to {max(without) * each:.0f} ms)"
        ),
        idle=machine.percent(),
        target=f"{_SLOWED_PERCENT:g}%",
        met=percent <= _SLOWED_PERCENT,
        earlier="60-80%",
    )


def killed(site: Site) -> Rows:
    """Kill the agent again and again while containers start, and compare those that run with the journal."""
    yield _killed(site, pinned=False)
    if site.collector == "core":
        yield _killed(site, pinned=True)


def _killed(site: Site, *, pinned: bool) -> Row:
    times, count = site.full(20, 2), site.full(80, 4)
    made: list[str] = []
    feed = threading.Thread(target=lambda: made.extend(feeds.ctr_starts(site.lab, count, _STARTS_A_SECOND / 2)))
    choice = random.Random(times)  # noqa: S311  # moments of kills
    folder, endpoint = site.folder(), site.lab.containerd.endpoint
    pins = folder / "bpf"
    pins.mkdir(parents=True, mode=0o700)
    machine = Idle()
    with mounted("bpf", "mode=0700", pins):
        options = ["--pin", str(pins / "rollcall")] if pinned else []
        feed.start()
        for _ in range(times):
            with started(folder, site.collector, endpoint, options=options) as watch:
                time.sleep(choice.uniform(*_KILLED_AFTER_S))
                watch.kill()
        with started(folder, site.collector, endpoint, options=options) as watch:
            feed.join()
            made += feeds.ctr_starts(site.lab, 1, 1)
            watch.wait_for(made[-1:])  # so it has attached, and asks the runtime
            with suppress(TimeoutError):
                wait_until(lambda: not _rows(watch.journal, made)[0], "all that runs has a row")
        absent, twice = _rows(watch.journal, made)
        with open_reader(watch.journal) as reader:
            gaps = reader.books().gaps
    feeds.ctr_remove(site.lab, made)
    return Row(
        what=f"`kill -9` {times} times in a burst" + (", pinned" if pinned else ""),
        collector=site.collector,
        feed=f"{len(made)} `ctr run --detach` that go on, {_STARTS_A_SECOND / 2:g}/s",
        measured=f"{len(absent)} of {len(made)} without a row, {len(twice)} with two; {len(gaps)} named gaps",
        idle=machine.percent(),
        target="0 lost of what is alive or was read; the rest is a named gap",
        met=not absent and not twice,
        earlier="killed and restarted after 2 s: 568 of 619 nowhere",
    )


def _rows(journal: Path, made: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the ids without a row, and those with more than one."""
    with open_reader(journal) as reader:
        rows = {container_id: len(reader.by_container_id(container_id)) for container_id in list(made)}
    return [it for it, many in rows.items() if not many], [it for it, many in rows.items() if many > 1]
