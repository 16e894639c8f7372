"""`rollcall violations`: what breaks a policy, since when, and why it is over where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import msgspec
import typer

from rollcall.policy.model import Severity
from rollcall.times import rfc3339
from rollcall.violations import State, Violation
from rollcall_agent.command import listing
from rollcall_agent.command.images import matches_repository
from rollcall_agent.command.listing import ListForm
from rollcall_agent.history.reader import HistoryReader
from rollcall_agent.journal.reader import DEFAULT_PATH


def violations(
    journal: listing.Journal = DEFAULT_PATH,
    output: listing.Output = ListForm.TABLE,
    since: listing.Since = None,
    until: listing.Until = None,
    state: Annotated[list[State] | None, typer.Option(help="Only in this state; may be given several times.")] = None,
    severity: Annotated[
        list[Severity] | None, typer.Option(help="Only of this severity; may be given several times.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Only of this policy.")] = None,
    namespace: listing.Namespace = None,
    image: listing.Image = None,
    limit: listing.Limit = None,
) -> None:
    """List violations, what changed last first: one for each rule, workload, container and repository.

    --since and --until keep what was open or over in that time.
    """
    with listing.the_past(journal) as history:
        found = _select(history, since, until, state or (), severity or (), policy, namespace, image)
        listing.write(output, islice(found, limit), columns=COLUMNS, fields=FIELDS, as_object=as_object)


def _select(
    history: HistoryReader,
    since: str | None,
    until: str | None,
    states: list[State] | tuple[()],
    severities: list[Severity] | tuple[()],
    policy: str | None,
    namespace: str | None,
    image: str | None,
) -> Iterator[Violation]:
    like, in_namespace = listing.images_like(image), listing.names_like(namespace)
    from_ns, to_ns = listing.when(since), listing.when(until)
    found = history.violations(
        states=states,
        since=None if from_ns is None else rfc3339(from_ns),
        until=None if to_ns is None else rfc3339(to_ns),
    )
    for each in found:
        key = each.key
        if (policy is not None and key.policy != policy) or (severities and each.severity not in severities):
            continue
        if in_namespace(key.namespace) and (like is None or matches_repository(like, key.repository)):
            yield each


def as_object(violation: Violation) -> dict[str, Any]:
    """Give a violation for JSON, with its name."""
    return {"name": violation.key.name, **msgspec.to_builtins(violation), "state": violation.state}


def _over(violation: Violation) -> str:
    return violation.end.value if violation.end is not None and violation.state is State.OVER else ""


COLUMNS: Mapping[str, Callable[[Violation], str]] = {
    "STATE": lambda each: each.state.value,
    "SINCE": lambda each: each.since[:19],
    "SEVERITY": lambda each: each.severity.value,
    "POLICY/RULE": lambda each: f"{each.key.policy}/{each.key.rule}",
    "NAMESPACE": lambda each: each.key.namespace or "-",
    "WORKLOAD": lambda each: each.key.workload or "-",
    "CONTAINER": lambda each: each.key.container or "-",
    "IMAGE": lambda each: each.image or each.key.repository or "?",
    "STARTS": lambda each: str(each.starts),
    "WHY": lambda each: _over(each) or (each.cause or ""),
}
FIELDS: Mapping[str, Callable[[Violation], str]] = {
    "name": lambda each: each.key.name,
    "state": lambda each: each.state.value,
    "since": lambda each: each.since,
    "severity": lambda each: each.severity.value,
    "mode": lambda each: each.mode.value,
    "policy": lambda each: each.key.policy,
    "rule": lambda each: each.key.rule,
    "cause": lambda each: each.cause or "",
    "namespace": lambda each: each.key.namespace,
    "workload": lambda each: each.key.workload,
    "container": lambda each: each.key.container,
    "repository": lambda each: each.key.repository,
    "image": lambda each: each.image,
    "starts": lambda each: str(each.starts),
    "live_containers": lambda each: str(each.containers),
    "first_seen": lambda each: each.first_seen or "",
    "last_seen": lambda each: each.last_seen or "",
    "end": _over,
    "message": lambda each: each.message,
    "reason": lambda each: each.reason,
    "link": lambda each: each.link,
    "start": lambda each: each.start,
}
