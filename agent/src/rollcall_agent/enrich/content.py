"""What a digest is the digest of, read from containerd's content store: index, to this platform's manifest, to config.

Content is named by its hash, so what was read once (and matched its name) is true for ever and may be kept. Tags and
names are not looked at here, and nothing here is kept by one.
"""

from __future__ import annotations

import hashlib
import platform
from collections import OrderedDict
from typing import Final

import msgspec
from msgspec import Struct

from rollcall.record import DigestKind, Reference
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.containerd import Containerd

_LARGEST: Final = 4 << 20
"""Bytes of a manifest or index; registries refuse larger ones (distribution: defaultMaxManifestSize)."""
_KEPT: Final = 512
_MOST_MANIFESTS: Final = 16

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""Go's names for what the kernel calls the machine; the others are the same."""


class _Platform(Struct):
    os: str = ""
    architecture: str = ""


class _Descriptor(Struct):
    digest: str = ""
    platform: _Platform | None = None


class _Blob(Struct, rename="camel"):
    """A manifest or an index: OCI's and Docker's have the same fields."""

    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None


class Chain(Struct, frozen=True, kw_only=True):
    """What a repository digest leads to: an index to a `manifest` of this platform, that to the digest of its `config`.

    `config` is None where the way ends before, because nothing for this platform is in the store.
    """

    kind: DigestKind
    manifest: str | None = None
    config: str | None = None


class ContentStore:
    """Reads chains, and keeps the blobs of the last ones."""

    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd
        self._blobs: OrderedDict[str, _Blob] = OrderedDict()
        self._pulled: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())

    async def chain(self, namespace: str, digest: str, config: str | None) -> Chain | None:
        """Follow a digest; among several manifests of an index the one of `config` is taken, where that is known.

        Returns None where the blob is not in the store, or is neither an index nor a manifest. Raises CallError.
        """
        blob = await self._blob(namespace, digest)
        if blob is None:
            return None
        if blob.config is not None:
            return Chain(kind=DigestKind.MANIFEST, manifest=digest, config=blob.config.digest or None)
        if blob.manifests is None:
            return None
        names = self._of_this_platform(blob.manifests)
        found = [await self._blob(namespace, name) for name in names]
        ways = [
            Chain(kind=DigestKind.INDEX, manifest=name, config=manifest.config.digest)
            for name, manifest in zip(names, found, strict=True)
            if manifest is not None and manifest.config is not None
        ]
        matching = [way for way in ways if way.config == config] or ways
        return matching[0] if len(matching) == 1 else Chain(kind=DigestKind.INDEX)

    async def was_pulled(self, namespace: str, digest: str, reference: Reference) -> bool:
        """Say whether this blob was pulled from a repository; that it once was stays true. Raises CallError."""
        # containerd's label has no port, for a label's key may hold no colon (docker.AppendDistributionSourceLabel).
        repository = f"{reference.registry.rpartition(':')[0] or reference.registry}/{reference.repository}"
        if (digest, repository) in self._pulled:
            return True
        if repository not in await self._containerd.pulled_from(namespace, digest):
            return False
        self._pulled[digest, repository] = None
        while len(self._pulled) > _KEPT:
            self._pulled.popitem(last=False)
        return True

    def _of_this_platform(self, manifests: list[_Descriptor]) -> list[str]:
        mine = [one.digest for one in manifests if one.platform is not None and self._is_mine(one.platform)]
        return mine[:_MOST_MANIFESTS]

    def _is_mine(self, target: _Platform) -> bool:
        return target.os == "linux" and target.architecture == self._architecture

    async def _blob(self, namespace: str, digest: str) -> _Blob | None:
        if (kept := self._blobs.get(digest)) is not None:
            self._blobs.move_to_end(digest)
            return kept
        try:
            data = await self._containerd.read(namespace, digest, _LARGEST)
        except CallError as error:
            if error.failure in {Failure.NOT_FOUND, Failure.OVERSIZED}:
                return None
            raise
        algorithm, _, hexadecimal = digest.partition(":")
        if algorithm not in {"sha256", "sha512"} or hashlib.new(algorithm, data).hexdigest() != hexadecimal:
            return None
        try:
            blob = msgspec.json.decode(data, type=_Blob)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        self._blobs[digest] = blob
        while len(self._blobs) > _KEPT:
            self._blobs.popitem(last=False)
        return blob
