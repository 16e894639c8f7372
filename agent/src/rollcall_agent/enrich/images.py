"""Asks a runtime what it knows of a container's image, and has it concluded.

Nothing is kept by name or by image id: aliases come and go, and a start keeps the answer of its own moment. What is
kept are chains of content, which can't change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rollcall.record import Image
from rollcall.references import image_id
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.containerd import KUBERNETES, Containerd
from rollcall_agent.enrich.content import Chain, ContentStore
from rollcall_agent.enrich.cri import Cri
from rollcall_agent.enrich.image import Known, reference_of, resolve
from rollcall_agent.enrich.proto import cri_pb2 as pb

_MOST_CHAINS: Final = 8


class Images:
    """Image questions to one runtime; `containerd` is None where the runtime is another one."""

    def __init__(self, cri: Cri, containerd: Containerd | None) -> None:
        self._cri = cri
        self._containerd = containerd
        self._store = ContentStore(containerd) if containerd is not None else None

    async def of_status(self, status: pb.ContainerStatus, requested: str | None, source: str | None) -> Image:
        """Conclude for a CRI container. Raises CallError.

        `image_ref` is of the right image though perhaps of a wrong repository: a repository digest, which the runtime
        itself resolves to the image's id, or that id. Where it is neither any more, the list's entry has the id.
        """
        told = status.image_id or status.image_ref
        identity, found, asked_by = status.image_id, None, "cri.containerStatus"
        if told:
            found = await self._cri.image_status(told)
        if found is None or not _is_about(found, told):
            entry = await self._cri.container(status.id)
            identity = "" if entry is None else entry.image_id or entry.image_ref
            asked_by = "cri.listContainers"
            found = await self._cri.image_status(identity) if identity else None
        elif not identity:
            identity, asked_by = found.id, "cri.imageStatus"
        return await self._resolve(requested, source, identity or None, asked_by, found)

    async def of_name(self, requested: str, source: str) -> Image:
        """Conclude for a sandbox, of whose image CRI tells a name alone. Raises CallError."""
        found = await self._cri.image_status(requested)
        return await self._resolve(requested, source, found.id if found else None, "cri.imageStatus", found)

    async def of_record(self, namespace: str, requested: str) -> Image:
        """Conclude for a container of containerd's own. Raises CallError.

        A repository digest is one that the content store says it was pulled by: a name alone may be anybody's.
        """
        known = Known(requested=requested or None, requested_source="containerd.container")
        reference = reference_of(requested)
        if self._containerd is None or self._store is None or not requested:
            return resolve(known)
        target = await _target(self._containerd, namespace, requested)
        chain = await self._store.chain(namespace, target, None) if target else None
        if not target or chain is None:
            return resolve(known)
        pulled = reference is not None and await self._store.was_pulled(namespace, target, reference)
        return resolve(
            Known(
                requested=known.requested,
                requested_source=known.requested_source,
                identity=chain.config,
                identity_source="containerd.content",
                repo_digests=(f"{reference.name}@{target}",) if pulled and reference is not None else (),
                digests_source="containerd.images",
                chains={target: chain},
                named=target,
            )
        )

    async def _resolve(
        self, requested: str | None, source: str | None, identity: str | None, asked_by: str, found: pb.Image | None
    ) -> Image:
        repo_digests = tuple(found.repo_digests) if found is not None else ()
        config = image_id(identity) if identity is not None else None
        named = await self._named(requested, repo_digests) if config is not None else None
        digests = [text.rpartition("@")[2] for text in repo_digests]
        return resolve(
            Known(
                requested=requested,
                requested_source=source,
                identity=identity,
                identity_source=asked_by,
                repo_digests=repo_digests,
                digests_source="cri.imageStatus",
                chains=await self._chains([*digests, named] if named else digests, config),
                named=named,
            )
        )

    async def _named(self, requested: str | None, repo_digests: Iterable[str]) -> str | None:
        """Return what the requested name points to where it has no repository digest: an imported image."""
        reference = reference_of(requested)
        if self._containerd is None or reference is None:
            return None
        prefix = f"{reference.name}@"
        if any(text.startswith(prefix) for text in repo_digests):
            return None
        return await _target(self._containerd, KUBERNETES, str(reference)) or None

    async def _chains(self, digests: Iterable[str], config: str | None) -> dict[str, Chain]:
        chains: dict[str, Chain] = {}
        if self._store is None:
            return chains
        for digest in sorted(set(digests))[:_MOST_CHAINS]:
            chain = await self._store.chain(KUBERNETES, digest, config)
            if chain is not None:
                chains[digest] = chain
        return chains


def _is_about(image: pb.Image, asked: str) -> bool:
    """Say whether an answer is about what was asked: the image of this id, or one that has this repository digest."""
    by_id = image_id(asked)
    return by_id == image_id(image.id) if by_id is not None else asked in image.repo_digests


async def _target(containerd: Containerd, namespace: str, name: str) -> str:
    """Return what a name points to, empty where there is no such name."""
    try:
        return await containerd.image_target(namespace, name)
    except CallError as error:
        if error.failure is Failure.NOT_FOUND:
            return ""
        raise
