"""What Prometheus scrapes: the numbers of the books, under the names of the page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from rollcall_agent.collect.event import KernelLedger, WaysOut
from rollcall_agent.enrich.counters import Counters, Latency
from rollcall_agent.journal import AgentLedger, Books, Gap, KernelRow
from rollcall_agent.metrics.definitions import METRICS, page
from rollcall_agent.metrics.exposition import Exposition, JudgedCounts, Snapshot

ROW = KernelRow(
    collector="core",
    number=3,
    boot_id="b",
    hierarchy=0,
    opened_ns=1,
    closed_ns=None,
    interrupted=False,
    ledger=KernelLedger(
        attach=3,
        mkdirs=WaysOut(seen=22, other_hierarchy=1, never_a_container=2, throttled=3, quiet=4, submitted=5, lost=6),
        rmdirs=WaysOut(seen=7, submitted=7),
        recursion_misses=8,
    ),
    read=5,
    end_read=7,
)
BOOKS = Books(
    epoch="e0",
    created_ns=1,
    durable_ns=1_700_000_000_500_000_000,
    settled_up_to=0,
    kernel=(ROW, replace(ROW, number=2, closed_ns=9)),
    agent=AgentLedger(
        read=10,
        listed=20,
        not_a_root={"conmon": 1, "cut": 2},
        foreign=3,
        nested=4,
        sandbox=5,
        duplicate=6,
        pending=7,
        ready=8,
        late=2,
        written=9,
        dropped={'disk"full\n': 1},
        end_read=4,
        end_matched=3,
        end_unmatched=1,
    ),
    gaps=(Gap(from_ns=1, to_ns=2, reason="attach_lost", bound=None),),
)


def scrape(snapshot: Snapshot, accept: str = "") -> dict[str, Metric]:
    body, content_type = Exposition(lambda: snapshot).render(accept)
    reading = parse_openmetrics if "openmetrics" in content_type else parse
    return {family.name: family for family in reading(body.decode())}


@pytest.fixture
def snapshot() -> Snapshot:
    mkdir_to_read = Latency()
    for seconds in (0.0004, 0.001, 0.002, 1000.0):
        mkdir_to_read.observe(seconds)
    enrich = Counters(
        tries=Counter({"/run/a.sock": 9}),
        retries=Counter({"/run/a.sock": 4}),
        lists=2,
        late=1,
        answers=Counter(Resolved=5, Unresolved=1),
        errors={"/run/a.sock": Counter(RuntimeHung=3), "/run/b.sock": Counter(RuntimeHung=30, WrongID=1)},
    )
    return Snapshot(
        books=BOOKS,
        journal_bytes=4096,
        mkdir_to_read=mkdir_to_read,
        mkdir_to_written=Latency(),
        questions=11,
        enrich=enrich,
        judged=JudgedCounts(
            broken=("/etc/policies/a.yaml",),
            verdicts={"Violation": 2, "Allowed": 3},
            commands={"told": 4, "failed": 1},
            left_out=5,
        ),
    )


def values(families: dict[str, Metric]) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families.values()
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_every_number_stands_under_its_name(snapshot: Snapshot, accept: str) -> None:
    found = values(scrape(snapshot, accept))
    for name, labels, value in [
        ("rollcall_kernel_cgroups_seen_total", ("mkdir",), 44),
        ("rollcall_kernel_cgroups_total", ("mkdir", "other_hierarchy"), 2),
        ("rollcall_kernel_cgroups_total", ("mkdir", "lost"), 12),
        ("rollcall_kernel_cgroups_total", ("rmdir", "submitted"), 14),
        ("rollcall_kernel_recursion_misses_total", (), 16),
        ("rollcall_kernel_difference", ("mkdir",), 2),
        ("rollcall_kernel_difference", ("rmdir",), 0),
        ("rollcall_agent_read_total", ("start",), 10),
        ("rollcall_agent_read_total", ("end",), 4),
        ("rollcall_agent_listed_total", (), 20),
        ("rollcall_agent_not_a_root_total", ("cut",), 2),
        ("rollcall_agent_starts_total", ("foreign",), 3),
        ("rollcall_agent_starts_total", ("nested",), 4),
        ("rollcall_agent_starts_total", ("sandbox",), 5),
        ("rollcall_agent_starts_total", ("duplicate",), 6),
        ("rollcall_agent_starts_total", ("written",), 11),
        ("rollcall_agent_dropped_total", ('disk"full\n',), 1),
        ("rollcall_agent_waiting", ("pending",), 7),
        ("rollcall_agent_waiting", ("ready",), 6),
        ("rollcall_agent_waiting", ("late",), 2),
        ("rollcall_agent_ends_total", ("matched",), 3),
        ("rollcall_agent_ends_total", ("unmatched",), 1),
        ("rollcall_agent_difference", ("start",), BOOKS.agent.difference),
        ("rollcall_agent_difference", ("end",), 0),
        ("rollcall_gaps", (), 1),
        ("rollcall_attach_info", ("3", "core", "0"), 1),
        ("rollcall_journal_info", ("e0",), 1),
        ("rollcall_journal_size_bytes", (), 4096),
        ("rollcall_journal_last_commit_timestamp_seconds", (), 1_700_000_000.5),
        ("rollcall_mkdir_to_read_seconds_count", (), 4),
        ("rollcall_mkdir_to_read_seconds_bucket", ("0.001",), 2),
        ("rollcall_mkdir_to_read_seconds_bucket", ("0.0025",), 3),
        ("rollcall_mkdir_to_read_seconds_bucket", ("60.0",), 3),
        ("rollcall_mkdir_to_read_seconds_bucket", ("+Inf",), 4),
        ("rollcall_mkdir_to_read_seconds_sum", (), 1000.0034),
        ("rollcall_mkdir_to_written_seconds_count", (), 0),
        ("rollcall_read_to_answer_seconds_count", (), 0),
        ("rollcall_runtime_waiting", (), 11),
        ("rollcall_runtime_tries_total", ("/run/a.sock",), 9),
        ("rollcall_runtime_retries_total", ("/run/a.sock",), 4),
        ("rollcall_runtime_lists_total", (), 2),
        ("rollcall_runtime_answers_total", ("Resolved",), 5),
        ("rollcall_runtime_late_answers_total", (), 1),
        ("rollcall_runtime_errors_total", ("/run/b.sock", "RuntimeHung"), 30),
    ]:
        assert found[name, labels] == value, (name, labels)
    assert ("rollcall_attach_info", ("2", "core", "0")) not in found


def test_a_late_answer_makes_no_counter_go_back(snapshot: Snapshot) -> None:
    before = replace(BOOKS.agent, ready=8, late=0, written=9)
    after = replace(BOOKS.agent, ready=9, late=1, written=8)  # one of the written is ready again
    written = [
        values(scrape(replace(snapshot, books=replace(BOOKS, agent=agent))))[
            "rollcall_agent_starts_total", ("written",)
        ]
        for agent in (before, after)
    ]
    assert written == [9, 9]


def test_what_is_scraped_is_what_is_defined(snapshot: Snapshot) -> None:
    families = scrape(snapshot)
    found = {}
    for family in families.values():
        suffix = {"counter": "_total"}.get(family.type, "")
        name = family.name if family.name.endswith(suffix) else family.name + suffix
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = ("info" if name.endswith("_info") else family.type, labels)
    assert found == {name: (metric.type, set(metric.labels)) for name, metric in METRICS.items()}


def test_names_follow_the_conventions() -> None:
    for metric in METRICS.values():
        assert metric.name.startswith("rollcall_")
        assert (metric.type == "counter") == metric.name.endswith("_total")
        assert (metric.type == "info") == metric.name.endswith("_info")
        assert metric.type != "histogram" or metric.name.endswith("_seconds")
        assert metric.help.endswith(".")


def test_the_page_is_what_is_defined() -> None:
    written = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")
    assert written == page()
