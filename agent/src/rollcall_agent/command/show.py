"""`rollcall show`: one start, with all that is known of it and why it was judged as it was."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from rollcall.judge.verdict import Ruling, Verdict
from rollcall.ledger import Ledger, TagHistory, tag_of
from rollcall.observation import observe
from rollcall.record import ContainerCreate, Limit, Resources
from rollcall.text import printable
from rollcall.times import rfc3339
from rollcall.violations import Violation
from rollcall.workload import workload
from rollcall_agent.command import listing
from rollcall_agent.command.events import as_object as start_as_object
from rollcall_agent.command.events import called, whose
from rollcall_agent.command.violations import as_object as violation_as_object
from rollcall_agent.history.reader import HistoryReader, Kept
from rollcall_agent.journal.reader import DEFAULT_PATH

_LONGEST = 1024
_SHOWN = 20


class ShowForm(StrEnum):
    """How a start is printed."""

    TEXT = "text"
    JSON = "json"


def show(
    start: Annotated[
        str, typer.Argument(metavar="ID", help="Identity of a start or id of a container, or how it begins.")
    ],
    journal: listing.Journal = DEFAULT_PATH,
    output: Annotated[ShowForm, typer.Option(help="Words, or one JSON object.")] = ShowForm.TEXT,
) -> None:
    """Show all that is known of one start, and why it was judged as it was.

    `rollcall policy explain --policy DIR --start ID` judges it again, by the policies of today, rule by rule.
    Exit status 1: there is no such start, or more than one; then each is named.
    """
    with listing.the_past(journal) as history:
        kept = _one(history, start)
        tag = _tag(history, kept.record)
        about = [each for each in history.violations() if each.start == kept.identity]
    if output is ShowForm.JSON:
        typer.echo(msgspec.json.encode(as_object(kept, tag, about)))
    else:
        typer.echo("\n".join(in_words(kept, tag, about)))


def find_start(journal: Path | None, start: str) -> tuple[ContainerCreate, Ledger | None]:
    """Look a start up for `rollcall policy explain` (entry-point group `rollcall.starts`). Raises typer.Exit."""
    with listing.the_past(journal or DEFAULT_PATH) as history:
        kept = _one(history, start)
        tag = _tag(history, kept.record)
    ledger = Ledger(kept.identity, {(tag.repository, tag.tag): tag}) if tag is not None else None
    return kept.record, ledger


def _one(history: HistoryReader, start: str) -> Kept:
    found = history.find(start)
    exact = [each for each in found if start in {each.identity, each.record.container_id}]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        typer.echo(
            f"rollcall: no start is known whose identity or container id begins with '{printable(start, 80)}'", err=True
        )
    else:
        typer.echo("rollcall: more than one start is called so; give more of its identity:", err=True)
        for each in found[:_SHOWN]:
            words = f"  {each.identity} {rfc3339(each.at_ns)} {whose(each)} {called(each)}"
            typer.echo(printable(words, _LONGEST), err=True)
    raise typer.Exit(1)


def _tag(history: HistoryReader, record: ContainerCreate) -> TagHistory | None:
    named = tag_of(observe(record))
    if named is None:
        return None
    found = history.tag_histories(repository=named[0])
    return next((each for each in found if each.tag == named[1]), None)


def as_object(kept: Kept, tag: TagHistory | None, violations: list[Violation]) -> dict[str, Any]:
    """Give all of it for JSON."""
    return {**start_as_object(kept), "tag": tag, "violations": [violation_as_object(each) for each in violations]}


def in_words(kept: Kept, tag: TagHistory | None, violations: list[Violation]) -> Iterator[str]:
    """Give the lines that a person reads."""
    for name, value in _facts(kept):
        if value:
            yield f"{name + ':':<14}{printable(value, _LONGEST)}"
    for digest in kept.record.image.digests:
        where = f" of {digest.repository}" if digest.repository else ""
        yield printable(f"{'':<14}{digest.digest} {digest.kind}{where}, by {digest.source}", _LONGEST)
    if tag is not None:
        yield f"{'Tag:':<14}{printable(tag.tag, _LONGEST)} led here to"
        for known in tag.digests:
            yield printable(f"{'':<14}{known.digest} {known.kind}, {known.first_seen} to {known.last_seen}", _LONGEST)
    yield from _judged(kept)
    for violation in violations:
        words = f"{violation.key.policy}/{violation.key.rule} {violation.state} since {violation.since} {violation.why}"
        yield printable(f"{'Violation:':<14}{words.rstrip()}", _LONGEST)


def _facts(kept: Kept) -> Iterator[tuple[str, str | None]]:
    record = kept.record
    pod, image = record.pod, record.image
    yield "Start", kept.identity
    yield "Made", f"{record.ctime} ({record.ctime_source})" if record.ctime else None
    yield "Ended", f"{record.ended.at} ({record.ended.source})" if record.ended else "not that anybody saw"
    yield "Whose", whose(kept) + (f", uid {pod.uid}" if pod.uid else "")
    yield "Workload", str(workload(record))
    yield "Container", f"{called(kept)}, id {record.container_id}"
    yield "Runtime", f"{record.runtime.name} {record.runtime.version or ''}".rstrip()
    yield "Node", f"{record.node.name}, boot {record.node.boot_id}"
    yield "Cgroup", f"{record.cgroup.path or '?'}, id {record.cgroup.id}"
    yield (
        "Labels",
        ", ".join(f"{key}={value}" for key, value in sorted((pod.labels or record.container.labels).items())),
    )
    yield "Resources", _resources(record.resources)
    why = f" {record.reason}: {record.message}" if record.reason else ""
    yield "Answer", f"{record.resolution}{why}, noticed by {record.origin}"
    yield "Asked for", f"{image.requested} (by {image.requested_source})" if image.requested else "unknown"
    yield "Normalised", str(image.reference) if image.reference is not None else None
    yield "Runs", f"{image.digest or 'unknown'}" + (f" ({image.reason})" if image.reason else "")


def _resources(resources: Resources) -> str:
    def told(limit: Limit, unit: str) -> str:
        return "unlimited" if limit.unlimited else "unknown" if limit.limit is None else f"{limit.limit} {unit}"

    return f"memory {told(resources.memory, 'bytes')}, cpu {told(resources.cpu, 'thousandths of a core')}"


def _judged(kept: Kept) -> Iterator[str]:
    verdict = kept.verdict
    if verdict is None:
        yield f"{'Verdict:':<14}none: no policy was there to judge by"
        return
    at = f", judged {rfc3339(kept.judged_ns)}" if kept.judged_ns is not None else ""
    trust = f", by trust in its {verdict.trust}" if verdict.trust is not None else ""
    yield f"{'Verdict:':<14}{verdict.result}{trust}{at}"
    yield printable(f"{'':<14}{verdict.message}", _LONGEST)
    yield from (f"{'':<14}{line}" for line in _rulings(verdict))
    if verdict.moved:
        yield f"{'':<14}its tag led before to {', '.join(verdict.moved)}"


def _rulings(verdict: Verdict) -> Iterator[str]:
    failing = [each for each in verdict.failing if each not in verdict.deciding]
    for ruling in (*verdict.deciding, *failing):
        yield _ruling(ruling)
    for ruling in verdict.waived:
        yield f"waived by {', '.join(ruling.waived_by)}: {_ruling(ruling)}"
    for notice in verdict.notices:
        yield f"note of {notice.policy}/{notice.rule}: {printable(notice.message, _LONGEST)}"


def _ruling(ruling: Ruling) -> str:
    more = " ".join(text for text in (ruling.reason, ruling.link) if text)
    words = f"{ruling.policy}/{ruling.rule}: {ruling.result}, {ruling.message}{f' ({more})' if more else ''}"
    return printable(words, _LONGEST)
