"""The way from a digest to a config, through a content store that need not be honest or complete."""

from __future__ import annotations

import hashlib
import json
import platform
from typing import cast

import pytest

from rollcall.record import DigestKind, Reference
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.containerd import Containerd
from rollcall_agent.enrich.content import Chain, ContentStore

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class Store:
    """The two calls of containerd that a content store makes; it counts the reads."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.labels: list[str] = []
        self.reads = 0

    def add(self, value: object) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return digest

    def manifest(self, mark: str) -> tuple[str, str]:
        """Add a manifest; return its digest and its config's."""
        config = f"sha256:{hashlib.sha256(mark.encode()).hexdigest()}"
        return self.add({"config": {"digest": config}, "layers": []}), config

    def index(self, *manifests: str, architecture: str = HERE) -> str:
        target = {"os": "linux", "architecture": architecture}
        return self.add({"manifests": [{"digest": digest, "platform": target} for digest in manifests]})

    async def read(self, _: str, digest: str, __: int) -> bytes:
        self.reads += 1
        if digest not in self.blobs:
            raise CallError(Failure.NOT_FOUND, digest)
        return self.blobs[digest]

    async def pulled_from(self, _: str, __: str) -> list[str]:
        self.reads += 1
        return self.labels


@pytest.fixture
def store() -> Store:
    return Store()


async def chain(store: Store, digest: str, config: str | None = None) -> Chain | None:
    return await ContentStore(cast("Containerd", store)).chain("k8s.io", digest, config)


async def test_a_manifest_leads_to_its_config(store: Store) -> None:
    manifest, config = store.manifest("a")
    assert await chain(store, manifest) == Chain(kind=DigestKind.MANIFEST, manifest=manifest, config=config)


async def test_an_index_leads_to_the_manifest_of_the_config(store: Store) -> None:
    (one, _), (other, config) = store.manifest("a"), store.manifest("b")
    index = store.index(one, other)
    assert await chain(store, index, config) == Chain(kind=DigestKind.INDEX, manifest=other, config=config)


async def test_of_two_that_could_run_here_none_is_guessed(store: Store) -> None:
    (one, _), (other, _) = store.manifest("a"), store.manifest("b")
    assert await chain(store, store.index(one, other)) == Chain(kind=DigestKind.INDEX)


async def test_another_platforms_manifest_is_not_this_one(store: Store) -> None:
    manifest, config = store.manifest("a")
    index = store.index(manifest, architecture="elsewhere")
    assert await chain(store, index, config) == Chain(kind=DigestKind.INDEX)


async def test_a_manifest_that_was_not_pulled_is_left_out(store: Store) -> None:
    manifest, config = store.manifest("a")
    index = store.index("sha256:" + "0" * 64, manifest)
    assert await chain(store, index) == Chain(kind=DigestKind.INDEX, manifest=manifest, config=config)


@pytest.mark.parametrize("blob", [b"", b"[]", b"{", b'"x"', b'{"manifests": 7}', b"{}", b"\xff", b"[" * 10_000])
async def test_what_is_no_image_is_none(store: Store, blob: bytes) -> None:
    assert await chain(store, store.add(blob)) is None


async def test_a_blob_that_is_not_its_digests_is_not_believed(store: Store) -> None:
    manifest, _ = store.manifest("a")
    store.blobs[manifest] = json.dumps({"config": {"digest": "sha256:" + "6" * 64}}).encode()
    assert await chain(store, manifest) is None


@pytest.mark.parametrize("digest", ["", "md5:" + "0" * 32, "sha256:" + "0" * 64])
async def test_what_is_not_there_is_none(store: Store, digest: str) -> None:
    assert await chain(store, digest) is None


async def test_content_is_read_once(store: Store) -> None:
    manifest, _ = store.manifest("a")
    content = ContentStore(cast("Containerd", store))
    index = store.index(manifest)
    assert await content.chain("a", index, None) == await content.chain("b", index, None)
    assert store.reads == 2


@pytest.mark.parametrize(
    ("registry", "label", "pulled"),
    [
        ("docker.io", "docker.io/library/nginx", True),
        ("127.0.0.1:5000", "127.0.0.1/library/nginx", True),
        ("docker.io", "evil.example/library/nginx", False),
        ("docker.io", "docker.io/library/nginx-evil", False),
    ],
)
async def test_where_it_was_pulled_from(store: Store, registry: str, label: str, pulled: bool) -> None:  # noqa: FBT001
    store.labels = [label]
    content = ContentStore(cast("Containerd", store))
    reference = Reference(registry=registry, repository="library/nginx", tag="1")
    assert await content.was_pulled("k8s.io", "sha256:0", reference) is pulled
    store.labels = ["docker.io/other"]
    assert await content.was_pulled("k8s.io", "sha256:0", reference) is pulled
