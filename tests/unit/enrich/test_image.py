"""Which digest may be trusted: tables of what runtimes say, and what may be concluded."""

from __future__ import annotations

import pytest

from rollcall.record import DigestKind
from rollcall_agent.enrich.content import Chain
from rollcall_agent.enrich.image import Known, resolve

CONFIG, OTHER = "sha256:" + "c" * 64, "sha256:" + "e" * 64
INDEX, INDEX2, MANIFEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64, "sha256:" + "3" * 64
CHAIN = Chain(kind=DigestKind.INDEX, manifest=MANIFEST, config=CONFIG)
PLAIN = Chain(kind=DigestKind.MANIFEST, manifest=MANIFEST, config=CONFIG)
FOREIGN = Chain(kind=DigestKind.INDEX, manifest=MANIFEST, config=OTHER)


@pytest.mark.parametrize(
    ("requested", "repo_digests", "chains", "digest", "reason"),
    [
        pytest.param("r.example/a:1", [f"r.example/a@{INDEX}"], {INDEX: CHAIN}, INDEX, None, id="by tag"),
        pytest.param("r.example/a:1", [f"r.example/a@{INDEX}"], {}, INDEX, None, id="of unknown kind"),
        pytest.param(
            f"r.example/a@{INDEX}",
            [f"r.example/a@{INDEX}", f"r.example/a@{MANIFEST}"],
            {INDEX: CHAIN, MANIFEST: PLAIN},
            INDEX,
            None,
            id="by digest, index and manifest known",
        ),
        pytest.param(
            f"r.example/a:1@{INDEX}", [f"r.example/a@{INDEX}"], {INDEX: CHAIN}, INDEX, None, id="by tag and digest"
        ),
        pytest.param(
            f"r.example/a@{MANIFEST}",
            [f"r.example/a@{INDEX}"],
            {INDEX: CHAIN},
            INDEX,
            None,
            id="the manifest of a known index",
        ),
        pytest.param(
            f"r.example/a@{INDEX2}",
            [f"r.example/a@{INDEX}"],
            {INDEX: CHAIN},
            CONFIG,
            "RequestedDigestNotFound",
            id="another digest than asked for",
        ),
        pytest.param(
            "r.example/a:1",
            [f"r.example/a@{INDEX}", f"r.example/a@{INDEX2}"],
            {INDEX: CHAIN, INDEX2: CHAIN},
            CONFIG,
            "AmbiguousDigest",
            id="two digests of the repository",
        ),
        pytest.param(
            "r.example/a:1",
            [f"r.example/a@{INDEX}", f"r.example/a@{INDEX2}"],
            {INDEX: CHAIN, INDEX2: FOREIGN},
            INDEX,
            None,
            id="one of two leads to another config",
        ),
        pytest.param(
            "r.example/a:1", [f"r.example/a@{INDEX}"], {INDEX: FOREIGN}, CONFIG, "ConfigMismatch", id="another config"
        ),
        pytest.param(
            "r.example/a:1",
            [f"evil.example/a@{INDEX2}", f"r.example/a@{INDEX}"],
            {},
            INDEX,
            None,
            id="under two repositories",
        ),
        pytest.param(
            "r.example/a:1", [f"evil.example/a@{INDEX}"], {}, CONFIG, "NoRepositoryDigest", id="only another's"
        ),
        pytest.param(
            "r.example/a:1", [f"r.example/a-evil@{INDEX}"], {}, CONFIG, "NoRepositoryDigest", id="a longer name"
        ),
        pytest.param(
            "nginx", [f"docker.io/library/nginx@{INDEX}"], {}, INDEX, None, id="the short name of a Hub image"
        ),
        pytest.param("r.example/a:1", [], {}, CONFIG, "NoRepositoryDigest", id="imported"),
        pytest.param(
            "docker.io/library/import-2026-11-24",
            [f"docker.io/library/import-2026-11-24@{INDEX}"],
            {},
            CONFIG,
            "NoRepositoryDigest",
            id="a provenance that never was",
        ),
        pytest.param(
            None, [f"r.example/a@{INDEX}"], {}, CONFIG, "RequestUnknown", id="nobody knows what was asked for"
        ),
        pytest.param(CONFIG, [f"r.example/a@{INDEX}"], {}, CONFIG, "NoRepositoryDigest", id="asked for by id"),
        pytest.param("Bad//Name", [f"r.example/a@{INDEX}"], {}, CONFIG, "NoRepositoryDigest", id="no reference"),
        pytest.param(
            "r.example/a", ["@", "x", f"r.example/a@{INDEX.upper()}"], {}, CONFIG, "NoRepositoryDigest", id="junk"
        ),
    ],
)
def test_the_one_digest(
    requested: str | None, repo_digests: list[str], chains: dict[str, Chain], digest: str, reason: str | None
) -> None:
    image = resolve(
        Known(requested=requested, identity=CONFIG, repo_digests=tuple(repo_digests), chains=chains, digests_source="x")
    )
    assert (image.digest, image.reason) == (digest, reason)
    assert image.short_digest == digest.removeprefix("sha256:")[:12]
    assert image.requested == requested


def test_every_digest_has_its_kind_and_place() -> None:
    image = resolve(
        Known(
            requested="r.example/a:1",
            identity=CONFIG,
            identity_source="cri.containerStatus",
            repo_digests=(f"a.example/z@{INDEX2}", f"r.example/a@{INDEX}"),
            digests_source="cri.imageStatus",
            chains={INDEX: CHAIN},
        )
    )
    assert [(each.digest, each.kind, each.repository) for each in image.digests] == [
        (INDEX, DigestKind.INDEX, "r.example/a"),
        (MANIFEST, DigestKind.MANIFEST, "r.example/a"),
        (INDEX2, DigestKind.REPOSITORY, "a.example/z"),
        (CONFIG, DigestKind.CONFIG, None),
    ]


def test_what_an_imported_name_points_to_is_listed_without_a_repository() -> None:
    image = resolve(Known(requested="r.example/a:1", identity=CONFIG, chains={INDEX: CHAIN}, named=INDEX))
    assert [(each.digest, each.kind, each.repository) for each in image.digests] == [
        (INDEX, DigestKind.INDEX, None),
        (MANIFEST, DigestKind.MANIFEST, None),
        (CONFIG, DigestKind.CONFIG, None),
    ]


def test_a_chain_to_another_config_adds_no_manifest() -> None:
    image = resolve(
        Known(requested="r.example/a", identity=CONFIG, repo_digests=(f"r.example/a@{INDEX}",), chains={INDEX: FOREIGN})
    )
    assert MANIFEST not in {each.digest for each in image.digests}


@pytest.mark.parametrize("identity", ["c" * 64, CONFIG])
def test_an_id_with_and_without_its_algorithm(identity: str) -> None:
    image = resolve(Known(identity=identity))
    assert (image.id, image.digest) == (identity, CONFIG)


@pytest.mark.parametrize("identity", [None, "r.example/a:1", "sha256:short"])
def test_nothing_known(identity: str | None) -> None:
    image = resolve(Known(requested="r.example/a", identity=identity))
    assert (image.digest, image.short_digest, image.reason) == (None, None, "ImageUnknown")
