"""Rates that no real runtime reaches here: directories of a container's shape, answered for by a scripted CRI."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from bench import feeds
from bench.machine import Idle, bpf_statistics
from bench.result import Row
from bench.site import Rows, Site, counted, latencies
from lab.tree import Tree
from lab.waiting import wait_until
from rollcall_agent.collect.hierarchy import followed_here

_BUSY_RATE, _BUSY_PERCENT = 30.0, 8.0
_FLOOD_RATE: Final = 500.0
_MANY_RATE: Final = 100.0
_GROWTH_PERCENT: Final = 5.0
_KERNEL_US: Final = 2.0
_FALSE_ROOTS: Final = (
    b"docker-hello.scope",
    b"crio-conmon-" + b"a" * 64 + b".scope",
    b"libpod-conmon-" + b"b" * 64 + b".scope",
    b"cri-containerd-" + b"c" * 63 + b".scope",
    b"docker-" + b"D" * 64 + b".scope",
    b"kubepods/burstable/pod" + feeds.POD_UID.encode(),
    b"docker/" + b"e" * 64 + b"/inner",  # Docker's container of that id is none of the false ones
)


def measure(site: Site) -> Rows:
    """Measure with the scripted server in the place of every runtime."""
    folder = site.lab.scratch.folder
    with feeds.scripted(folder) as server:
        directory = _pod(site)
        yield _busy(site, server, directory)
        yield from _many(site, server, directory)
        yield _flood(site, server, directory)
        for rate in (math.inf, _BUSY_RATE):
            yield _kernel(site, directory, rate=rate)
        yield _false_roots(site, server)


def _busy(site: Site, server: Path, directory: Path) -> Row:
    count = site.full(1800, 15)
    with site.watching(f"unix://{server}") as watch:
        watch.wait_for(feeds.churn(directory, 5, _BUSY_RATE, server))
        machine, before = Idle(), watch.processor_ns()
        made = feeds.churn(directory, count, _BUSY_RATE, server)
        percent = (watch.processor_ns() - before) * _BUSY_RATE / count / 1e7
        records = watch.wait_for(made)
        compared = counted(made, watch)
        p50, p99 = latencies(records)
        return Row(
            what="processor time at 30/s",
            collector=site.collector,
            feed=f"{count} mkdir and rmdir, {_BUSY_RATE:g}/s, scripted CRI",
            measured=f"{percent:.1f}% of a core; {compared}",
            p50=p50,
            p99=p99,
            memory=watch.memory().resident,
            cpu=f"{percent / _BUSY_RATE * 10:.2f} ms a start",
            idle=machine.percent(),
            target=f"{_BUSY_PERCENT:g}% of a core",
            met=percent <= _BUSY_PERCENT and compared.exact,
        )


def _many(site: Site, server: Path, directory: Path) -> Rows:
    count = site.full(10_000, 30)
    with site.watching(f"unix://{server}") as watch:
        watch.wait_for(feeds.churn(directory, 5, _BUSY_RATE, server))
        fresh = watch.memory()
        watch.wait_for(feeds.churn(directory, site.full(500, 5), _MANY_RATE, server))
        machine, before = Idle(), watch.memory()
        made = feeds.churn(directory, count, _MANY_RATE, server)
        watch.wait_for(made, seconds=120)
        after, compared = watch.memory(), counted(made, watch)
    growth = 100 * (after.resident / before.resident - 1)
    yield Row(
        what="memory over 10,000 short-lived containers",
        collector=site.collector,
        feed=f"{count} mkdir and rmdir, {_MANY_RATE:g}/s, scripted CRI",
        measured=(
            f"{growth:+.1f}%: {fresh.resident:.1f} MiB fresh, {before.resident:.1f} after {site.full(500, 5)}, "
            f"{after.resident:.1f} after all (PSS {after.proportional:.1f}, peak {after.peak:.1f}); {compared}"
        ),
        memory=after.resident,
        idle=machine.percent(),
        target=f"growth under {_GROWTH_PERCENT:g}%",
        met=growth < _GROWTH_PERCENT and compared.exact,
        earlier="1.6 GB with all 10,000 kept",
    )


def _flood(site: Site, server: Path, directory: Path) -> Row:
    count = site.full(10_000, 50)
    with site.watching(f"unix://{server}") as watch:
        watch.wait_for(feeds.churn(directory, 5, _BUSY_RATE, server))
        machine, before = Idle(), watch.processor_ns()
        made = feeds.churn(directory, count, _FLOOD_RATE, server)
        records = watch.wait_for(made, seconds=180)
        compared = counted(made, watch)
        each = (watch.processor_ns() - before) / 1e6 / count
        memory = watch.memory()
    p50, p99 = latencies(records)
    lost = watch.kernel_sum(lambda ledger: ledger.mkdirs.lost + ledger.recursion_misses)
    return Row(
        what="kernel to agent",
        collector=site.collector,
        feed=f"{count} mkdir and rmdir, {_FLOOD_RATE:g}/s, scripted CRI",
        measured=f"{lost} lost by the kernel; {compared}; peak {memory.peak:.1f} MiB",
        p50=p50,
        p99=p99,
        memory=memory.resident,
        cpu=f"{each:.2f} ms a start",
        idle=machine.percent(),
        target="0 lost",
        met=lost == 0 and compared.exact,
        earlier="25 of 10,000 missing and uncounted; with all kept, 56 s late",
    )


def _kernel(site: Site, directory: Path, *, rate: float) -> Row:
    """Measure the programs themselves. Nobody is asked: the agent may be as late as it likes."""
    back_to_back = math.isinf(rate)
    count = site.full(1000 if back_to_back else 300, 20)
    with bpf_statistics(), site.watching(f"unix://{site.folder()}") as watch:
        feeds.churn(directory, 5, rate)
        wait_until(lambda: watch.submitted() >= 10, "the counters are in the journal")  # noqa: PLR2004  # five, and ends
        machine, before, submitted = Idle(), watch.program_time(), watch.submitted()
        feeds.churn(directory, count, rate)
        wait_until(lambda: watch.submitted() - submitted >= 2 * count, "the counters are in the journal")
        after, records = watch.program_time(), watch.submitted() - submitted
    runs, ns = after.runs - before.runs, after.ns - before.ns
    each = ns / 1000 / records
    pace = "back to back (warm caches)" if back_to_back else f"{rate:g}/s (cold caches)"
    return Row(
        what="kernel cost of a submitted record",
        collector=site.collector,
        feed=f"{count} mkdir and rmdir in the followed hierarchy alone, {pace}",
        measured=f"{each:.2f} us: {ns / 1e6:.1f} ms in {runs} runs for {records} records",
        idle=machine.percent(),
        target=f"{_KERNEL_US:g} us",
        met=each <= _KERNEL_US,
    )


def _false_roots(site: Site, server: Path) -> Row:
    tree = Tree(site.lab.scratch)
    with site.watching(f"unix://{server}") as watch:
        for number, shape in enumerate(_FALSE_ROOTS):
            tree.make(b"false-%d/" % number + shape)
        watch.wait_for(feeds.churn(_pod(site), 1, 1, server))  # when this one is here, those have been read
        paths = [record.cgroup.path for record in watch.read()]
    false = sum("/false-" in path and not path.endswith("e" * 64) for path in paths)
    return Row(
        what="false roots",
        collector=site.collector,
        feed=f"{len(_FALSE_ROOTS)} directories that look like a container's and are none",
        measured=f"{false} taken for containers",
        target="0",
        met=false == 0,
        earlier="from any `docker-<text>.scope`",
    )


def _pod(site: Site) -> Path:
    """Make a pod's directory in the followed hierarchy alone, and return it."""
    made = Tree(site.lab.scratch).make(b"kubepods/besteffort/pod" + feeds.POD_UID.encode())
    return followed_here().mount / made.path.decode().lstrip("/")
