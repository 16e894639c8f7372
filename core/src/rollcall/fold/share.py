"""What one start adds to which record, and what an answer about a start that was counted before changes."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from rollcall.observation import Observation
from rollcall.record import DigestKind, Model, Resolution
from rollcall.text import shortened
from rollcall.times import normal

UNRESOLVED: Final = "unresolved"
"""Stands for the digest of an image of which none is known."""

_LONGEST_NAME: Final = 253
"""Characters of a namespace or node: what Kubernetes allows."""
_LONGEST_WORKLOAD: Final = 280


class RecordKey(NamedTuple):
    """Names a record: `repository` as `host/path`, empty where unknown, and the digest, or `unresolved`."""

    repository: str
    digest: str


class Standing(IntEnum):
    """Which answer about a start it is. A higher one takes the place of a lower one; an equal one is no news."""

    UNRESOLVED = 0
    FIRST = 1
    LATE = 2


class Place(Model, frozen=True, kw_only=True, order=True):
    """Where a start was; `namespace` is empty outside Kubernetes, and where no runtime stands for it."""

    namespace: str
    workload: str
    node: str


class Alias(Model, frozen=True, kw_only=True, order=True):
    """Another digest of the image."""

    digest: str
    kind: DigestKind


class Share(Model, frozen=True, kw_only=True):
    """What a start adds to its record. To be kept for each start that was counted: it says where, and by which answer.

    `start` is the identity of the start, also where a later answer about it is told, which has an identity of its own.
    """

    start: str
    standing: Standing
    repository: str
    digest: str
    kind: DigestKind | None = None
    at: str | None = None
    place: Place
    tag: str | None = None
    aliases: tuple[Alias, ...] = ()

    @property
    def key(self) -> RecordKey:
        """The one record that the start belongs to."""
        return RecordKey(self.repository, self.digest)


def share(observation: Observation) -> Share:
    """Take from an observation what is counted.

    The record is that of the requested repository and the one repository digest resolved for it; where there is not
    exactly one, that of the config; and `unresolved` where that is unknown too.
    """
    reference = observation.reference
    digest = observation.repository_digest or observation.config or UNRESOLVED
    kinds = sorted(each.kind for each in observation.digests if each.digest == digest)
    return Share(
        start=observation.supersedes or observation.identity,
        standing=_standing(observation),
        repository=reference.name if reference is not None else "",
        digest=digest,
        kind=kinds[0] if kinds else None,
        at=normal(observation.ctime),
        place=Place(
            namespace=shortened(observation.namespace or "", _LONGEST_NAME) if observation.pod_confirmed else "",
            workload=shortened(observation.workload, _LONGEST_WORKLOAD),
            node=shortened(observation.node, _LONGEST_NAME),
        ),
        tag=reference.tag if reference is not None else None,
        aliases=tuple(
            sorted({Alias(digest=each.digest, kind=each.kind) for each in observation.digests if each.digest != digest})
        ),
    )


def is_news(new: Share, counted: Share | None) -> bool:
    """Say whether an answer is the best one about its start so far: then it is judged, and its verdict stands."""
    return counted is None or new.standing > counted.standing


def moves(new: Share, counted: Share | None) -> tuple[tuple[Share, int], ...]:
    """Say what is to be folded into which records: shares, and how many starts each adds there.

    `counted` is what was counted for the same start before, None for a start never seen. Afterwards `new` is, where
    `is_news` says so. Nothing is to be done for a start that was delivered twice. A better answer takes the start from
    one record to another; one that comes when a better one is counted shows in its record, without a count.
    """
    if counted is None:
        return ((new, 1),)
    if is_news(new, counted):
        return (counted, -1), (new, 1)
    return () if new.standing == counted.standing else ((new, 0),)


def _standing(observation: Observation) -> Standing:
    if observation.supersedes is not None:
        return Standing.LATE
    return Standing.UNRESOLVED if observation.resolution is Resolution.UNRESOLVED else Standing.FIRST
