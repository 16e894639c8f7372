"""Turns a snapshot of the agent into the text that Prometheus scrapes. Imported only where it is served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from rollcall_agent.enrich.counters import LATENCY_SECONDS, Counters, Latency
from rollcall_agent.journal.books import Books
from rollcall_agent.journal.reader import WAYS
from rollcall_agent.metrics.definitions import METRICS


class JudgedCounts(Struct, frozen=True, kw_only=True):
    """What a scrape shows where there are policies: broken files, verdicts by result, commands by how they ended."""

    broken: tuple[str, ...]
    verdicts: dict[str, int]
    commands: dict[str, int]
    left_out: int


class Snapshot(Struct, frozen=True, kw_only=True):
    """All that a scrape shows; `questions` is how many wait for a runtime's answer."""

    books: Books
    journal_bytes: int
    mkdir_to_read: Latency
    mkdir_to_written: Latency
    questions: int
    enrich: Counters
    judged: JudgedCounts | None = None


class Exposition:
    """Renders snapshots; `take` gives one and is called once a scrape."""

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Give the text and its content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Give the metrics of one snapshot, as prometheus_client asks for them."""
        snapshot = self._take()
        yield from _kernel(snapshot.books)
        yield from _agent(snapshot.books)
        yield from _journal(snapshot)
        yield _histogram("rollcall_mkdir_to_read_seconds", snapshot.mkdir_to_read)
        yield _histogram("rollcall_read_to_answer_seconds", snapshot.enrich.latency)
        yield _histogram("rollcall_mkdir_to_written_seconds", snapshot.mkdir_to_written)
        yield _family("rollcall_runtime_waiting", {(): snapshot.questions})
        yield from _runtimes(snapshot.enrich)
        if snapshot.judged is not None:
            yield from _judged(snapshot.judged)


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> Metric:
    """Give one metric, with its values by those of its labels."""
    defined = METRICS[name]
    kind = CounterMetricFamily if defined.type == "counter" else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = kind(name, defined.help, labels=list(defined.labels))
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _info(name: str, rows: Iterable[dict[str, str]]) -> Metric:
    family = InfoMetricFamily(name.removesuffix("_info"), METRICS[name].help)
    for row in rows:
        family.add_metric([], row)
    return family


def _histogram(name: str, latency: Latency) -> Metric:
    total, buckets = 0, []
    for bound, count in zip((*map(str, LATENCY_SECONDS), "+Inf"), latency.buckets, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return HistogramMetricFamily(name, METRICS[name].help, buckets=buckets, sum_value=latency.total_seconds)


def _kernel(books: Books) -> Iterator[Metric]:
    ways: Counter[tuple[str, ...]] = Counter()
    seen: Counter[tuple[str, ...]] = Counter()
    difference: Counter[tuple[str, ...]] = Counter()
    for row in books.kernel:
        for change, left in (("mkdir", row.ledger.mkdirs), ("rmdir", row.ledger.rmdirs)):
            seen[change,] += left.seen
            difference[change,] += left.difference
            for way in WAYS:
                if way != "seen":
                    ways[change, way] += getattr(left, way)
    yield _family("rollcall_kernel_cgroups_total", ways)
    yield _family("rollcall_kernel_cgroups_seen_total", seen)
    misses = sum(row.ledger.recursion_misses for row in books.kernel)
    yield _family("rollcall_kernel_recursion_misses_total", {(): misses})
    yield _family("rollcall_kernel_difference", difference)


def _agent(books: Books) -> Iterator[Metric]:
    agent = books.agent
    # A start whose late answer waits is counted as written, which it was: a counter must not go back.
    ways = {
        "foreign": agent.foreign,
        "nested": agent.nested,
        "sandbox": agent.sandbox,
        "duplicate": agent.duplicate,
        "written": agent.written + agent.late,
    }
    waiting = {"pending": agent.pending, "ready": agent.ready - agent.late, "late": agent.late}
    yield _family("rollcall_agent_read_total", {("start",): agent.read, ("end",): agent.end_read})
    yield _family("rollcall_agent_listed_total", {(): agent.listed})
    yield _family("rollcall_agent_starts_total", {(way,): n for way, n in ways.items()})
    yield _family("rollcall_agent_not_a_root_total", {(reason,): n for reason, n in agent.not_a_root.items()})
    yield _family("rollcall_agent_dropped_total", {(reason,): n for reason, n in agent.dropped.items()})
    yield _family("rollcall_agent_waiting", {(state,): n for state, n in waiting.items()})
    ends = {"matched": agent.end_matched, "unmatched": agent.end_unmatched}
    yield _family("rollcall_agent_ends_total", {(way,): n for way, n in ends.items()})
    yield _family("rollcall_agent_difference", {("start",): agent.difference, ("end",): agent.end_difference})


def _journal(snapshot: Snapshot) -> Iterator[Metric]:
    books = snapshot.books
    yield _family("rollcall_gaps", {(): len(books.gaps)})
    yield _info(
        "rollcall_attach_info",
        (
            {"collector": row.collector, "attach": str(row.number), "hierarchy": str(row.hierarchy)}
            for row in books.kernel
            if row.closed_ns is None
        ),
    )
    yield _info("rollcall_journal_info", [{"epoch": books.epoch}])
    yield _family("rollcall_journal_size_bytes", {(): snapshot.journal_bytes})
    yield _family("rollcall_journal_last_commit_timestamp_seconds", {(): books.durable_ns / 1e9})


def _runtimes(enrich: Counters) -> Iterator[Metric]:
    yield _family("rollcall_runtime_tries_total", {(endpoint,): n for endpoint, n in enrich.tries.items()})
    yield _family("rollcall_runtime_retries_total", {(endpoint,): n for endpoint, n in enrich.retries.items()})
    yield _family("rollcall_runtime_lists_total", {(): enrich.lists})
    yield _family("rollcall_runtime_answers_total", {(resolution,): n for resolution, n in enrich.answers.items()})
    yield _family("rollcall_runtime_late_answers_total", {(): enrich.late})
    errors: dict[tuple[str, ...], int] = {
        (endpoint, failure): n for endpoint, failures in enrich.errors.items() for failure, n in failures.items()
    }
    yield _family("rollcall_runtime_errors_total", errors)


def _judged(judged: JudgedCounts) -> Iterator[Metric]:
    yield _family("rollcall_policy_broken", {(file,): 1 for file in judged.broken})
    yield _family("rollcall_verdicts_total", {(result,): n for result, n in judged.verdicts.items()})
    yield _family("rollcall_violation_commands_total", {(result,): n for result, n in judged.commands.items()})
    yield _family("rollcall_repetitions_not_told_total", {(): judged.left_out})
