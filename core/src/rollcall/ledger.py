"""The tag ledger: which digests a tag was seen to lead to, so that a tag that moved is told, once for each new digest.

A tag leads to an index or a manifest, and runtimes tell one, the other, or the config below alone. Content is named by
its hash: an index settles its manifests, a manifest its config, never the other way round. So what lies below a known
digest is known, and so is the first digest above one; but a second index with the same manifest in it is a move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rollcall.observation import Observation
from rollcall.record import DigestKind, ImageDigest, Model
from rollcall.text import shortened
from rollcall.times import normal

_MOST_DIGESTS: Final = 64
_MOST_BELOW: Final = 64
_MOST_NODES: Final = 16
_MOST_PREVIOUS: Final = 8
_LONGEST_NODE: Final = 253


class KnownDigest(Model, frozen=True, kw_only=True):
    """A digest that a tag led to.

    `below` are digests that it was seen to lead to itself. `start` is the start that made it known, and `previous` what
    the tag led to before, the last seen first; empty where it did not move. Times are RFC 3339, `nodes` the first 16.
    """

    digest: str
    kind: DigestKind
    below: tuple[str, ...] = ()
    start: str
    previous: tuple[str, ...] = ()
    first_seen: str | None = None
    last_seen: str | None = None
    nodes: tuple[str, ...] = ()
    more_nodes: bool = False


class TagHistory(Model, frozen=True, kw_only=True):
    """What one tag of one repository (`host/path`) led to, in the order in which it became known.

    The last 64 digests are kept; one that was forgotten would be told as new.
    """

    repository: str
    tag: str
    digests: tuple[KnownDigest, ...] = ()


class Ledger(Struct, frozen=True):
    """The ledger as one start meets it, the same before and after it is recorded, and whenever it is judged again."""

    start: str
    histories: Mapping[tuple[str, str], TagHistory]

    def moved(self, repository: str, tag: str, digests: Iterable[ImageDigest]) -> tuple[str, ...] | None:
        """Return what a tag led to before this start, the last seen first; None where this start shows no move.

        `digests` are all that the runtime reports of the image. To be asked only where no digest was asked for.
        """
        history = self.histories.get((repository, tag))
        found = _lead(repository, digests)
        if history is None or found is None:
            return None
        known = _same(history, found)
        if known is None:
            return _previous(history)
        return known.previous or None if known.start == self.start else None


def tag_of(observation: Observation) -> tuple[str, str] | None:
    """Return the repository and the tag that a start tells about; None where a digest was asked for, or no name."""
    reference = observation.reference
    if reference is None or reference.tag is None or reference.digest is not None:
        return None
    return reference.name, reference.tag


def record(history: TagHistory | None, observation: Observation) -> TagHistory | None:
    """Add a start to the history of its tag (see `tag_of`); the same start twice changes nothing.

    Starts are to be recorded in the order in which they come: what comes later is what is new.
    """
    named = tag_of(observation)
    if named is None:
        return history
    found = _lead(named[0], observation.digests)
    if found is None:
        return history
    if history is None:
        history = TagHistory(repository=named[0], tag=named[1])
    known = _same(history, found)
    if known is not None:
        seen = _seen(known, found, observation)
        return replace(history, digests=tuple(seen if each is known else each for each in history.digests))
    new = KnownDigest(
        digest=found.digest,
        kind=found.kind,
        start=observation.supersedes or observation.identity,
        previous=_previous(history),
    )
    return _bounded(replace(history, digests=(*history.digests, _seen(new, found, observation))))


class _Lead(Struct, frozen=True, kw_only=True):
    """What a start shows of its tag: the `digest` it leads to, and what lies `below`.

    Where that is not certain it is the config, and `beside` are digests that lead to it.
    """

    digest: str
    kind: DigestKind
    below: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()


def _lead(repository: str, digests: Iterable[ImageDigest]) -> _Lead | None:
    """Tell an index from what it leads to. Other names of the image say nothing about this one."""
    own = sorted(
        (each for each in digests if each.repository in {None, repository}), key=lambda each: (each.digest, each.kind)
    )
    pulled = [each for each in own if each.repository == repository]
    heads = {each.digest: each for each in pulled if each.kind in {DigestKind.INDEX, DigestKind.REPOSITORY}} or {
        each.digest: each for each in pulled if each.kind is DigestKind.MANIFEST
    }
    configs = [each for each in own if each.kind is DigestKind.CONFIG]
    names = frozenset(each.digest for each in own)
    if len(heads) == 1:
        (head,) = heads.values()
        below = (
            frozenset(each.digest for each in configs) if head.kind is DigestKind.MANIFEST else names - {head.digest}
        )
        return _Lead(digest=head.digest, kind=head.kind, below=below)
    for head in (*configs, *heads.values()):
        return _Lead(digest=head.digest, kind=head.kind, beside=names - {head.digest})
    return None


def _same(history: TagHistory, found: _Lead) -> KnownDigest | None:
    """Find the known digest of the same image: itself, else one above, below or beside it."""
    exact = (each for each in history.digests if each.digest == found.digest)
    above = (each for each in history.digests if found.digest in each.below)
    near = (each for each in history.digests if each.digest in found.below or each.digest in found.beside)
    return next(exact, None) or next(above, None) or next(near, None)


def _previous(history: TagHistory) -> tuple[str, ...]:
    latest = sorted(history.digests, key=lambda each: (each.last_seen or "", each.digest), reverse=True)
    return tuple(each.digest for each in latest[:_MOST_PREVIOUS])


def _seen(known: KnownDigest, found: _Lead, observation: Observation) -> KnownDigest:
    """Note that a known digest was seen again. The first one above it takes its place: a second one would be a move."""
    digest, kind, more = known.digest, known.kind, found.below
    if known.digest in found.below:
        digest, kind, more = found.digest, found.kind, found.below
    elif known.digest in found.beside:
        more = frozenset({found.digest})
    elif known.digest != found.digest:
        more = frozenset()
    at = normal(observation.ctime)
    nodes = sorted({*known.nodes, shortened(observation.node, _LONGEST_NODE)})
    return replace(
        known,
        digest=digest,
        kind=kind,
        below=(*known.below, *sorted(more.difference(known.below)))[:_MOST_BELOW],
        first_seen=min(filter(None, (known.first_seen, at)), default=None),
        last_seen=max(filter(None, (known.last_seen, at)), default=None),
        nodes=tuple(nodes[:_MOST_NODES]),
        more_nodes=known.more_nodes or len(nodes) > _MOST_NODES,
    )


def _bounded(history: TagHistory) -> TagHistory:
    """Forget the digest that was not seen for the longest, the new one excepted."""
    *old, new = history.digests
    if len(old) < _MOST_DIGESTS:
        return history
    oldest = min(old, key=lambda each: (each.last_seen or "", each.digest))
    return replace(history, digests=(*(each for each in old if each is not oldest), new))
