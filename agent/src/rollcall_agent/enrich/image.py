"""Which digest a container was made from: what a runtime says of an image, and what may be concluded from it. Pure.

The identity of an image is the digest of its config. A repository digest counts only where its repository is the one
that was asked for: the same config may lie under any number of names, and a runtime shows whichever comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from rollcall.record import DigestKind, Image, ImageDigest, Reference
from rollcall.references import InvalidReferenceError, image_id, parse
from rollcall_agent.enrich.content import Chain

_MOST_DIGESTS: Final = 32
_SHORT: Final = 12

_INVENTED: Final = re.compile(r"library/import-\d{4}-\d{2}-\d{2}")
"""Path that containerd makes up for an archive without a name; nothing was ever pulled from it."""


class Known(Struct, frozen=True, kw_only=True):
    """What a runtime says of one container's image.

    `identity` is the runtime's id of the image, `repo_digests` are `host/path@digest` under which it knows it, `chains`
    what is known of what those digests lead to, `named` the digest that the name asked for points to. `by_id` says that
    what was asked for is the beginning of an image's id, whatever name it may look like.
    """

    requested: str | None = None
    requested_source: str | None = None
    by_id: bool = False
    identity: str | None = None
    identity_source: str = ""
    repo_digests: tuple[str, ...] = ()
    digests_source: str = ""
    chains: Mapping[str, Chain] = {}
    chains_source: str = "containerd.content"
    named: str | None = None
    named_source: str = "containerd.images"


class Reason:
    """Why `image.digest` is no repository digest."""

    UNKNOWN = "ImageUnknown"
    REQUEST_UNKNOWN = "RequestUnknown"
    NO_REPOSITORY_DIGEST = "NoRepositoryDigest"
    AMBIGUOUS = "AmbiguousDigest"
    NOT_THE_REQUESTED = "RequestedDigestNotFound"
    OTHER_CONFIG = "ConfigMismatch"


def reference_of(text: str | None) -> Reference | None:
    """Return a text's reference, None where it is none."""
    if text is None:
        return None
    try:
        return parse(text)
    except InvalidReferenceError:
        return None


def resolve(known: Known) -> Image:
    """Conclude. A digest is a repository's only where it is certain; every other one is listed with what it is."""
    config = image_id(known.identity) if known.identity is not None else None
    reference = None if known.by_id else reference_of(known.requested)
    found = [_Found(each, known.chains) for each in _parsed(known.repo_digests)]
    chosen, reason = _choose(reference, config, found, known.requested)
    digest = chosen if chosen is not None else config
    return Image(
        requested=known.requested,
        requested_source=known.requested_source,
        reference=reference,
        digests=tuple(_listed(known, reference, config, found)[:_MOST_DIGESTS]),
        id=known.identity,
        digest=digest,
        short_digest=digest.partition(":")[2][:_SHORT] if digest is not None else None,
        reason=reason if digest is not None or known.named is not None else Reason.UNKNOWN,
    )


class _Found:
    """One repository digest with its chain."""

    def __init__(self, reference: Reference, chains: Mapping[str, Chain]) -> None:
        self.digest = reference.digest or ""
        self.repository = reference.name
        self.invented = reference.registry == "docker.io" and bool(_INVENTED.fullmatch(reference.repository))
        self.chain = chains.get(self.digest)

    def contradicts(self, config: str | None) -> bool:
        return self.chain is not None and self.chain.config is not None and self.chain.config != config

    def means(self, digest: str) -> bool:
        return self.digest == digest or (self.chain is not None and self.chain.manifest == digest)


def _parsed(repo_digests: Iterable[str]) -> Iterable[Reference]:
    references = {text: reference_of(text) for text in sorted(set(repo_digests))}
    return (one for one in references.values() if one is not None and one.digest is not None)


def _choose(
    reference: Reference | None, config: str | None, found: list[_Found], requested: str | None
) -> tuple[str | None, str | None]:
    """Return the one repository digest of the requested reference, or a reason why there is none."""
    if reference is None:
        return None, Reason.REQUEST_UNKNOWN if requested is None else Reason.NO_REPOSITORY_DIGEST
    own = [one for one in found if one.repository == reference.name and not one.invented]
    if not own:
        return None, Reason.NO_REPOSITORY_DIGEST
    sound = [one for one in own if not one.contradicts(config)]
    if not sound:
        return None, Reason.OTHER_CONFIG
    asked = reference.digest
    if asked is not None:
        sound = [one for one in sound if one.means(asked)]
        if not sound:
            return None, Reason.NOT_THE_REQUESTED
        # An index and its manifest may both be known; the one that was named is the one that was meant.
        sound = [one for one in sound if one.digest == asked] or sound
    if len(sound) > 1:
        return None, Reason.AMBIGUOUS
    return sound[0].digest, None


def _listed(known: Known, reference: Reference | None, config: str | None, found: list[_Found]) -> list[ImageDigest]:
    """List every digest once per repository, those of the requested repository first."""
    wanted = reference.name if reference is not None else None
    digests: dict[tuple[str, str | None], ImageDigest] = {}

    def add(digest: str, kind: DigestKind, source: str, where: str | None) -> None:
        digests.setdefault((digest, where), ImageDigest(digest=digest, kind=kind, source=source, repository=where))

    def follow(chain: Chain, where: str | None) -> None:
        # A chain that ends at another config is not this image's; what it leads through says nothing about it.
        if chain.manifest is not None and chain.config == config:
            add(chain.manifest, DigestKind.MANIFEST, known.chains_source, where)

    for one in sorted(found, key=lambda one: one.repository != wanted):
        where = None if one.invented else one.repository
        kind = one.chain.kind if one.chain is not None else DigestKind.REPOSITORY
        add(one.digest, kind, known.digests_source, where)
        if one.chain is not None:
            follow(one.chain, where)
    named = known.chains.get(known.named) if known.named is not None else None
    if known.named is not None and named is not None and not any(one.digest == known.named for one in found):
        add(known.named, named.kind, known.named_source, None)
        follow(named, None)
    if config is not None:
        add(config, DigestKind.CONFIG, known.identity_source, None)
    return list(digests.values())
