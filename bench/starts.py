"""Starts of real containers: how long until their line, how many are complete, what each costs."""

from __future__ import annotations

from typing import Final

from bench import feeds
from bench.first_answers import polling
from bench.machine import Idle
from bench.result import Row, percentile, within
from bench.site import Rows, Site, counted, latencies
from bench.watch import Watch

_MS: Final = 1_000_000
_CTR_P50, _CTR_P99 = 10.0, 100.0
_CRI_P50, _CRI_P99 = 3.0, 25.0
_SANDBOX_P50, _SANDBOX_P99 = 10.0, 60.0
_START_MS: Final = 3.0
_CRI_RATE: Final = 5.0
_POD_RATE: Final = 2.0


class _Cost:
    """Processor time of the watch since it was made."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._before = watch.processor_ns()
        self._records = len(watch.read())

    def ms_a_start(self) -> float:
        """Return the time for each record that has come since."""
        records = len(self._watch.read()) - self._records
        return (self._watch.processor_ns() - self._before) / _MS / max(1, records)


def measure(site: Site) -> Rows:
    """Measure all kinds of starts with one process, which is warm from the first on."""
    with site.watching() as watch:
        watch.wait_for(feeds.ctr_runs(site.lab, 1, "/bin/true"))
        yield from _cri_containers(site, watch)
        yield from _sandboxes(site, watch)
        yield _ctr_runs(
            site,
            watch,
            what="`ctr run` of `true`, mkdir to printed line",
            command=("/bin/true",),
            earlier="13-29 of 200 without image and digest; p50 19-64 ms, p99 249-299 ms; 56 ms a start",
        )
        yield _ctr_runs(
            site, watch, what="containers of 5 ms, mkdir to printed line", command=("/bin/sleep", "0.005"), earlier=""
        )


def _cri_containers(site: Site, watch: Watch) -> Rows:
    with feeds.pods(site.lab) as pods:
        watch.wait_for([pod.sandbox_id for pod in pods])
        idle, cost = Idle(), _Cost(watch)
        made = feeds.cri_containers(site.lab, pods, site.full(200, 8), _CRI_RATE)
        records = watch.wait_for(made)
        left, each = idle.percent(), cost.ms_a_start()
    p50, p99 = latencies(records)
    count = counted(made, watch)
    fed = f"{len(made)} containers in {len(pods)} pods, {_CRI_RATE:g}/s, by CRI"
    yield Row(
        what="containers that CRI shows at mkdir, mkdir to printed line",
        collector=site.collector,
        feed=fed,
        measured=str(count),
        p50=p50,
        p99=p99,
        memory=watch.memory().resident,
        cpu=f"{each:.2f} ms a start",
        idle=left,
        target=f"p50 {_CRI_P50:g} ms, p99 {_CRI_P99:g} ms",
        met=count.exact and within(p50, _CRI_P50) and within(p99, _CRI_P99),
        earlier="one at a time p50 4.4 ms, p99 58 ms; 9 of 60 blank",
    )
    yield Row(
        what="processor time a start",
        collector=site.collector,
        feed=fed,
        measured=f"{each:.2f} ms",
        idle=left,
        target=f"{_START_MS:g} ms",
        met=each <= _START_MS,
        earlier="56 ms",
    )


def _sandboxes(site: Site, watch: Watch) -> Rows:
    file = site.folder()
    with polling(site.lab.containerd.endpoint, file) as answers:
        idle, cost = Idle(), _Cost(watch)
        pods = feeds.cri_pods(site.lab, site.full(60, 4), _POD_RATE)
        made = [pod.sandbox_id for pod in pods]
        records = watch.wait_for(made)
        left, each = idle.percent(), cost.ms_a_start()
        first = answers.read()
    for pod in pods:
        site.lab.cri.remove_pod(pod)
    after = [
        (record.arrived_ns - first[record.container_id]) / _MS for record in records if record.container_id in first
    ]
    p50, p99 = percentile(after, 50), percentile(after, 99)
    since_mkdir = latencies(records)[0]
    count = counted(made, watch)
    known = sum(record.pod.sandbox is True for record in records)
    yield Row(
        what="sandboxes, the runtime's first answer to printed line",
        collector=site.collector,
        feed=f"{len(made)} pods without containers, {_POD_RATE:g}/s, by CRI; a poller of CRI every 2 ms",
        measured=f"{count}, {known} known as sandboxes; {since_mkdir or 0:.1f} ms p50 from mkdir",
        p50=p50,
        p99=p99,
        memory=watch.memory().resident,
        cpu=f"{each:.2f} ms a start",
        idle=left,
        target=f"p50 {_SANDBOX_P50:g} ms, p99 {_SANDBOX_P99:g} ms",
        met=count.exact and within(p50, _SANDBOX_P50) and within(p99, _SANDBOX_P99),
        earlier="28 of 60 blank with `pod_sandbox=false`",
    )


def _ctr_runs(site: Site, watch: Watch, *, what: str, command: tuple[str, ...], earlier: str) -> Row:
    idle, cost = Idle(), _Cost(watch)
    made = feeds.ctr_runs(site.lab, site.full(200, 8), *command)
    records = watch.wait_for(made)
    left, each = idle.percent(), cost.ms_a_start()
    p50, p99 = latencies(records)
    count = counted(made, watch)
    return Row(
        what=what,
        collector=site.collector,
        feed=f"{len(made)} `ctr run --rm`, {feeds.TOGETHER} at a time",
        measured=str(count),
        p50=p50,
        p99=p99,
        memory=watch.memory().resident,
        cpu=f"{each:.2f} ms a start",
        idle=left,
        target=f"every one complete, p50 {_CTR_P50:g} ms, p99 {_CTR_P99:g} ms",
        met=count.exact and count.complete == count.made and within(p50, _CTR_P50) and within(p99, _CTR_P99),
        earlier=earlier,
    )
