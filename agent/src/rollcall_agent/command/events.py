"""`rollcall events`: every start that the history keeps, and how it was judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import typer

from rollcall.judge.verdict import Result, Verdict
from rollcall.patterns import Glob
from rollcall.times import rfc3339
from rollcall.workload import workload
from rollcall_agent.command import listing
from rollcall_agent.command.listing import ListForm
from rollcall_agent.history.reader import HistoryReader, Kept
from rollcall_agent.journal.reader import DEFAULT_PATH

_SHORT = 12
UNJUDGED = "-"


def events(
    journal: listing.Journal = DEFAULT_PATH,
    output: listing.Output = ListForm.TABLE,
    since: listing.Since = None,
    until: listing.Until = None,
    namespace: listing.Namespace = None,
    image: listing.Image = None,
    digest: Annotated[str | None, typer.Option(help="Only of this digest, whole.")] = None,
    verdict: Annotated[
        list[Result] | None, typer.Option(help="Only with this verdict; may be given several times.")
    ] = None,
    node: listing.Node = None,
    limit: listing.Limit = None,
) -> None:
    """List what started, newest first: whose it is, from which image digest, and how it was judged.

    Where no policy was there to judge by there is no verdict. `rollcall show ID` has all that is known of one start.
    """
    with listing.the_past(journal) as history:
        found = _select(history, since, until, namespace, image, digest, verdict or (), node)
        listing.write(output, islice(found, limit), columns=COLUMNS, fields=FIELDS, as_object=as_object)


def _select(
    history: HistoryReader,
    since: str | None,
    until: str | None,
    namespace: str | None,
    image: str | None,
    digest: str | None,
    verdict: list[Result] | tuple[()],
    node: str | None,
) -> Iterator[Kept]:
    images, on_node, in_namespace = listing.images_like(image), listing.names_like(node), listing.names_like(namespace)
    one_namespace = namespace if namespace is not None and Glob(namespace).literal else None
    one_repository = images.text if images is not None and "*" not in images.text else None
    found = history.starts(
        since_ns=listing.when(since),
        until_ns=listing.when(until),
        namespace=one_namespace,
        repository=one_repository,
        digest=digest,
        results=verdict,
    )
    for each in found:
        reference = each.record.image.reference
        if images is not None and one_repository is None and (reference is None or not images.matches(reference)):
            continue
        if on_node(each.record.node.name) and in_namespace(each.record.pod.namespace or ""):
            yield each


def as_object(kept: Kept) -> dict[str, Any]:
    """Give a start for JSON."""
    judged = None if kept.judged_ns is None else rfc3339(kept.judged_ns)
    return {"identity": kept.identity, "record": kept.record, "verdict": kept.verdict, "judgedAt": judged}


def whose(kept: Kept) -> str:
    """Say whose a start is."""
    pod = kept.record.pod
    if pod.name or pod.namespace:
        return f"{pod.namespace or '?'}/{pod.name or '?'}"
    return "(no pod)"


def called(kept: Kept) -> str:
    """Say what its container is called."""
    record = kept.record
    return "(sandbox)" if record.pod.sandbox else record.container.name or record.container_id[:_SHORT]


def _verdict(kept: Kept) -> str:
    return kept.verdict.result.value if kept.verdict is not None else UNJUDGED


def _rules(verdict: Verdict | None) -> str:
    rulings = verdict.failing or verdict.deciding if verdict is not None else ()
    return " ".join(f"{ruling.policy}/{ruling.rule}" for ruling in rulings)


COLUMNS: Mapping[str, Callable[[Kept], str]] = {
    "TIME": lambda kept: rfc3339(kept.at_ns)[:19],
    "VERDICT": _verdict,
    "WHOSE": whose,
    "CONTAINER": called,
    "IMAGE": lambda kept: kept.record.image.requested or "?",
    "DIGEST": lambda kept: kept.record.image.short_digest or "?",
    "ID": lambda kept: kept.identity[:_SHORT],
    "BY": lambda kept: _rules(kept.verdict),
}
FIELDS: Mapping[str, Callable[[Kept], str]] = {
    "time": lambda kept: rfc3339(kept.at_ns),
    "verdict": lambda kept: kept.verdict.result.value if kept.verdict is not None else "",
    "trust": lambda kept: (kept.verdict.trust or "") if kept.verdict is not None else "",
    "rules": lambda kept: _rules(kept.verdict),
    "message": lambda kept: kept.verdict.message if kept.verdict is not None else "",
    "namespace": lambda kept: kept.record.pod.namespace or "",
    "pod": lambda kept: kept.record.pod.name or "",
    "workload": lambda kept: str(workload(kept.record)),
    "container": called,
    "image": lambda kept: kept.record.image.requested or "",
    "digest": lambda kept: kept.record.image.digest or "",
    "node": lambda kept: kept.record.node.name,
    "runtime": lambda kept: kept.record.runtime.name,
    "container_id": lambda kept: kept.record.container_id,
    "ended": lambda kept: kept.record.ended.at if kept.record.ended is not None else "",
    "resolution": lambda kept: kept.record.resolution.value,
    "reason": lambda kept: kept.record.reason or "",
    "identity": lambda kept: kept.identity,
}
