"""Every metric by name: type, labels and what it says. `docs/metrics.md` is written from here."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

PAGE_COMMAND: Final = "python -m rollcall_agent.metrics > docs/metrics.md"


class Metric(Struct, frozen=True):
    """One metric, named as it is scraped; `labels` maps each label to its values in words."""

    name: str
    type: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: dict[str, str] = {}


_CHANGE: Final = {"change": "`mkdir` or `rmdir`"}

METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric(
            "rollcall_kernel_cgroups_total",
            "counter",
            "Cgroups made or removed, by the way that each left the kernel program. All ways together are all of them.",
            _CHANGE | {"way": "`other_hierarchy`, `never_a_container`, `throttled`, `quiet`, `submitted`, `lost`"},
        ),
        Metric("rollcall_kernel_cgroups_seen_total", "counter", "Cgroups made or removed, all of them.", _CHANGE),
        Metric(
            "rollcall_kernel_recursion_misses_total",
            "counter",
            "Events for which the kernel did not run the program: a loss beside the ways.",
        ),
        Metric(
            "rollcall_kernel_difference",
            "gauge",
            "What the kernel's ledger is off by; 0 once quiet.",
            _CHANGE,
        ),
        Metric(
            "rollcall_agent_read_total",
            "counter",
            "Records read from the kernel.",
            {"kind": "`start` or `end`"},
        ),
        Metric("rollcall_agent_listed_total", "counter", "Starts taken from runtimes' listings."),
        Metric(
            "rollcall_agent_starts_total",
            "counter",
            "Starts by where they went, beside `not_a_root` and `dropped`.",
            {"way": "`foreign`, `nested`, `sandbox`, `duplicate`, `written`"},
        ),
        Metric(
            "rollcall_agent_not_a_root_total",
            "counter",
            "Cgroups that are no container's root.",
            {"reason": "why not"},
        ),
        Metric("rollcall_agent_dropped_total", "counter", "Starts given up.", {"reason": "why"}),
        Metric(
            "rollcall_agent_waiting",
            "gauge",
            "Starts that wait. Those of state `late` are counted as written already.",
            {"state": "`pending` for an answer, `ready` for a sink, `late` for a sink with their later answer"},
        ),
        Metric(
            "rollcall_agent_ends_total",
            "counter",
            "Ends read, by whether their start is known.",
            {"way": "`matched` or `unmatched`"},
        ),
        Metric(
            "rollcall_agent_difference",
            "gauge",
            "What the agent's ledger is off by; 0 always.",
            {"kind": "`start` or `end`"},
        ),
        Metric("rollcall_gaps", "gauge", "Named gaps in the books."),
        Metric(
            "rollcall_attach_info",
            "info",
            "The probes that are open.",
            {"collector": "`core` or `bcc`", "attach": "its number", "hierarchy": "id of the hierarchy it follows"},
        ),
        Metric("rollcall_journal_info", "info", "The journal.", {"epoch": "its random name"}),
        Metric("rollcall_journal_size_bytes", "gauge", "Size of the journal on disk, with its log."),
        Metric("rollcall_journal_last_commit_timestamp_seconds", "gauge", "When the journal was last written durably."),
        Metric("rollcall_mkdir_to_read_seconds", "histogram", "From a cgroup's making to its record in the agent."),
        Metric(
            "rollcall_read_to_answer_seconds", "histogram", "From there to the runtime's answer, or its being given up."
        ),
        Metric("rollcall_mkdir_to_written_seconds", "histogram", "From a cgroup's making until a sink has its record."),
        Metric("rollcall_runtime_waiting", "gauge", "Questions that wait for a runtime's answer."),
        Metric(
            "rollcall_runtime_tries_total",
            "counter",
            "Questions put to a runtime, each time they were.",
            {"endpoint": "path of the runtime's socket"},
        ),
        Metric(
            "rollcall_runtime_retries_total",
            "counter",
            "Those that had been put to the same runtime before.",
            {"endpoint": "path of the runtime's socket"},
        ),
        Metric("rollcall_runtime_lists_total", "counter", "Lists that were asked for in place of many questions."),
        Metric(
            "rollcall_runtime_answers_total",
            "counter",
            "Answers, by how far they go.",
            {"resolution": "as in a record"},
        ),
        Metric(
            "rollcall_runtime_late_answers_total",
            "counter",
            "Answers to what had been answered by another runtime, or given up.",
        ),
        Metric(
            "rollcall_runtime_errors_total",
            "counter",
            "Calls that failed otherwise than by `NotFound`.",
            {"endpoint": "path of the runtime's socket", "failure": "reason as in a record"},
        ),
        Metric(
            "rollcall_policy_broken",
            "gauge",
            "1 for each file of policies that is broken; its last good version goes on.",
            {"file": "its path"},
        ),
        Metric(
            "rollcall_verdicts_total",
            "counter",
            "Verdicts, also those of what was judged again.",
            {"result": "`Violation`, `Error`, `Allowed`, `Unmatched`, `Skipped`"},
        ),
        Metric(
            "rollcall_violation_commands_total",
            "counter",
            "Runs of the command for violations.",
            {"result": "`told` or `failed`"},
        ),
        Metric(
            "rollcall_repetitions_not_told_total",
            "counter",
            "Repetitions of violations that were not told by themselves, for too many waited.",
        ),
    )
}


def page() -> str:
    """Give the text of `docs/metrics.md`."""
    rows = "\n".join(
        f"| `{metric.name}` | {metric.type} | {metric.help} | "
        + ("<br>".join(f"`{label}`: {values}" for label, values in metric.labels.items()) or "none")
        + " |"
        for metric in METRICS.values()
    )
    return (
        "# Metrics\n\n"
        "`rollcall watch --metrics HOST:PORT` serves these on `http://HOST:PORT/metrics`; without it nothing listens.\n"
        "Ledgers are those of the journal's epoch, so they go on over a restart of the agent; latencies, retries and\n"
        "errors begin with the process. Worth an alert: `rollcall_kernel_difference` or `rollcall_agent_difference`\n"
        "that stays other than 0, and growth of `lost`, `throttled` or `dropped`.\n\n"
        "| name | type | what it says | labels |\n|---|---|---|---|\n"
        f"{rows}\n\n"
        f"This page is written by `{PAGE_COMMAND}`.\n"
    )
