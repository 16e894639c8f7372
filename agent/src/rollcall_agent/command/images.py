"""`rollcall images`: every image that ran here: since when, how often, where, under which tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Annotated

import msgspec
import typer

from rollcall.fold import UNRESOLVED, ImageRecord
from rollcall.patterns import ImagePattern
from rollcall.record import Reference
from rollcall.times import rfc3339
from rollcall_agent.command import listing
from rollcall_agent.command.listing import ListForm
from rollcall_agent.history.reader import HistoryReader
from rollcall_agent.journal.reader import DEFAULT_PATH

_SHORT = 12


def images(
    journal: listing.Journal = DEFAULT_PATH,
    output: listing.Output = ListForm.TABLE,
    since: listing.Since = None,
    until: listing.Until = None,
    image: listing.Image = None,
    digest: Annotated[str | None, typer.Option(help="Only this digest, whole.")] = None,
    namespace: listing.Namespace = None,
    node: listing.Node = None,
    limit: listing.Limit = None,
) -> None:
    """List the images that ran: a line for each repository and digest, with exact counts of starts.

    --since and --until keep what was seen in that time; the counts are of all times.
    """
    with listing.the_past(journal) as history:
        found = _select(history, since, until, image, digest, namespace, node)
        listing.write(output, islice(found, limit), columns=COLUMNS, fields=FIELDS, as_object=msgspec.to_builtins)


def _select(
    history: HistoryReader,
    since: str | None,
    until: str | None,
    image: str | None,
    digest: str | None,
    namespace: str | None,
    node: str | None,
) -> Iterator[ImageRecord]:
    like, on_node, in_namespace = listing.images_like(image), listing.names_like(node), listing.names_like(namespace)
    from_ns, to_ns = listing.when(since), listing.when(until)
    found = history.image_records(
        digest=digest,
        since=None if from_ns is None else rfc3339(from_ns),
        until=None if to_ns is None else rfc3339(to_ns),
    )
    for each in found:
        places = [counted.what for counted in each.places.kept]
        if like is not None and not matches_repository(like, each.repository):
            continue
        if any(on_node(place.node) and in_namespace(place.namespace) for place in places):
            yield each


def matches_repository(pattern: ImagePattern, repository: str) -> bool:
    """Say whether a repository, as `host/path` or empty where unknown, matches."""
    host, slash, path = repository.partition("/")
    return bool(slash) and pattern.matches(Reference(registry=host, repository=path))


def _digest(record: ImageRecord) -> str:
    return record.digest if record.digest == UNRESOLVED else record.digest.partition(":")[2][:_SHORT]


def _tags(record: ImageRecord) -> str:
    return " ".join(counted.what for counted in record.tags.kept)


def _places(record: ImageRecord) -> str:
    names = sorted({f"{counted.what.namespace or '-'}/{counted.what.workload}" for counted in record.places.kept})
    return " ".join(names)


COLUMNS: Mapping[str, Callable[[ImageRecord], str]] = {
    "REPOSITORY": lambda record: record.repository or "?",
    "DIGEST": _digest,
    "STARTS": lambda record: str(record.starts),
    "FIRST SEEN": lambda record: (record.first_seen or "?")[:19],
    "LAST SEEN": lambda record: (record.last_seen or "?")[:19],
    "TAGS": _tags,
    "WHERE": _places,
}
FIELDS: Mapping[str, Callable[[ImageRecord], str]] = {
    "repository": lambda record: record.repository,
    "digest": lambda record: record.digest,
    "kind": lambda record: record.kind or "",
    "starts": lambda record: str(record.starts),
    "first_seen": lambda record: record.first_seen or "",
    "last_seen": lambda record: record.last_seen or "",
    "tags": _tags,
    "places": _places,
    "starts_in_other_places": lambda record: str(record.places.left_out),
}
