"""The record of one image: when it was first and last seen, how often, and where; it lasts after its starts."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from rollcall.fold.share import Alias, Place, RecordKey, Share
from rollcall.fold.tally import Tally
from rollcall.record import DigestKind, Model

_MOST_PLACES: Final = 64
_MOST_TAGS: Final = 64
_MOST_ALIASES: Final = 64


class ImageRecord(Model, frozen=True, kw_only=True):
    """One repository and digest.

    `starts` is exact. `first_seen` and `last_seen` are of every start that was ever told under this image, RFC 3339,
    None where no clock told; one that a later answer took to another record shows in all but the counts. `places`,
    `tags` and `aliases` keep 64 each, and say how many starts had others. `kind` is what the digest is of, as far as
    anybody knew.
    """

    repository: str
    digest: str
    kind: DigestKind | None = None
    starts: int = 0
    first_seen: str | None = None
    last_seen: str | None = None
    places: Tally[Place] = Tally()
    tags: Tally[str] = Tally()
    aliases: Tally[Alias] = Tally()

    @property
    def key(self) -> RecordKey:
        """Its name."""
        return RecordKey(self.repository, self.digest)


def fold(record: ImageRecord | None, share: Share, starts: int) -> ImageRecord:
    """Add what `moves` says to a record, None where there is none yet.

    Raises ValueError where the share belongs to another record.
    """
    if record is None:
        record = ImageRecord(repository=share.repository, digest=share.digest)
    elif record.key != share.key:
        raise ValueError(f"a start of {share.key} is not counted under {record.key}")
    tags, aliases = record.tags, record.aliases
    if share.tag is not None:
        tags = tags.add(share.tag, starts, _MOST_TAGS)
    for alias in share.aliases:
        aliases = aliases.add(alias, starts, _MOST_ALIASES)
    return replace(
        record,
        kind=_better(record.kind, share.kind),
        starts=record.starts + starts,
        first_seen=min(filter(None, (record.first_seen, share.at)), default=None),
        last_seen=max(filter(None, (record.last_seen, share.at)), default=None),
        places=record.places.add(share.place, starts, _MOST_PLACES),
        tags=tags,
        aliases=aliases,
    )


def _better(one: DigestKind | None, other: DigestKind | None) -> DigestKind | None:
    """Prefer a kind to none, and any to `repository`, an index or a manifest; by name, the last one in fact."""
    return min(filter(None, (one, other)), default=None)
