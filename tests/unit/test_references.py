"""References are read as the distribution project reads them, and normalised to one spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollcall.record import Reference
from rollcall.references import LONGEST, InvalidReferenceError, familiar, image_id, parse

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "distribution_references.json").read_text())
SHA = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


def expected(vector: dict[str, Any]) -> str | None:
    if "ours" in vector:
        assert vector["why"], "a difference has a reason"
        ours: str | None = vector["ours"]
        return ours
    theirs: str | None = vector["theirs"]
    if theirs is None or "@" in theirs or ":" in theirs.rpartition("/")[2]:
        return theirs
    return f"{theirs}:latest"


@pytest.mark.parametrize("vector", VECTORS["references"], ids=lambda vector: f"{vector['test']}-{vector['input'][:60]}")
def test_the_published_vectors_hold(vector: dict[str, Any]) -> None:
    wanted = expected(vector)
    if wanted is None:
        with pytest.raises(InvalidReferenceError):
            parse(vector["input"])
    else:
        reference = parse(vector["input"])
        assert str(reference) == wanted
        if "familiar" in vector:
            assert familiar(reference).removesuffix(":latest") == vector["familiar"].removesuffix(":latest")
    if "image_id" in vector:
        assert image_id(vector["input"]) == vector["image_id"]


@pytest.mark.parametrize("vector", VECTORS["identifiers"], ids=lambda vector: vector["input"])
def test_the_published_identifiers_hold(vector: dict[str, Any]) -> None:
    assert image_id(vector["input"]) == vector["image_id"]


def test_the_parts_of_a_reference() -> None:
    assert parse(f"ghcr.io:5000/a/b:v1@{SHA}") == Reference(
        registry="ghcr.io:5000", repository="a/b", tag="v1", digest=SHA
    )
    assert parse("nginx") == Reference(registry="docker.io", repository="library/nginx", tag="latest")
    assert parse(f"nginx@{SHA512}") == Reference(registry="docker.io", repository="library/nginx", digest=SHA512)
    assert parse("nginx").name == "docker.io/library/nginx"


@pytest.mark.parametrize(
    "text",
    [
        "nginx",
        "nginx:latest",
        "library/nginx",
        "docker.io/nginx",
        "docker.io/library/nginx:latest",
        "index.docker.io/nginx",
        "registry-1.docker.io/library/nginx",
        "DOCKER.IO/nginx",
        "docker.io:443/nginx",
        "docker.io:0443/nginx",
        "Index.Docker.io:443/library/nginx",
    ],
)
def test_docker_hub_has_one_spelling(text: str) -> None:
    assert str(parse(text)) == "docker.io/library/nginx:latest"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("GHCR.io/a", "ghcr.io/a:latest"),
        ("ghcr.io:443/a", "ghcr.io/a:latest"),
        ("ghcr.io:00443/a", "ghcr.io/a:latest"),
        ("ghcr.io:0080/a", "ghcr.io:80/a:latest"),
        ("localhost:443/a", "localhost/a:latest"),
        ("LOCALHOST/a", "localhost/a:latest"),
        ("[FC00::1]:443/a", "[fc00::1]/a:latest"),
        ("intranet:443/a", "intranet:443/a:latest"),
        ("Intranet/a", "intranet:443/a:latest"),
        ("intranet/a", "docker.io/intranet/a:latest"),
        ("gcr.io/nginx", "gcr.io/nginx:latest"),
        ("docker.io.evil.example/nginx", "docker.io.evil.example/nginx:latest"),
        (f"sha256:{'A' * 64}", f"docker.io/library/sha256:{'A' * 64}"),
    ],
)
def test_a_host_has_one_spelling(text: str, printed: str) -> None:
    assert str(parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "position", "expects"),
    [
        ("", 0, "path"),
        ("ghcr.io/a//b", 9, "path"),
        ("ghcr.io/a/B", 9, "lower-case"),
        ("nginx\n", 5, "path"),
        ("nginx:1.0\n", 9, "after the tag"),
        (f"nginx@{SHA}\n", 6 + len(SHA), "after the digest"),
        ("nginx:", 6, "a tag"),
        ("nginx:-1", 6, "a tag"),
        ("nginx:" + "t" * 129, 6 + 128, "after the tag"),
        (f"nginx@{SHA.upper()}", 6, "lower case"),
        (f"nginx@{SHA[:-1]}", 6, "64 hex"),
        (f"nginx@{SHA}0", 6, "64 hex"),
        (f"nginx@{SHA512[:-1]}", 6, "128 hex"),
        (f"nginx@sha384:{'a' * 96}", 6, "sha256"),
        (f"nginx@{SHA}:tag", 6 + len(SHA), "after the digest"),
        ("ngınx", 2, "path"),  # noqa: RUF001  # a dotless i
        ("еvil.example/a", 0, "host"),  # noqa: RUF001  # a Cyrillic e
        ("ghcr.io/ａ", 8, "path"),  # noqa: RUF001  # a wide a
        ("nginx:１", 6, "a tag"),  # noqa: RUF001  # a wide 1
        ("ghcr.io:٤٤٣/a", 7, "port"),
        ("ghcr.io:0/a", 8, "a port from 1"),
        ("ghcr.io:65536/a", 8, "a port from 1"),
        ("ghcr.io./a", 7, "host"),
        ("a" * 254 + ".io/a", 253, "253"),
        ("ghcr.io/" + "a" * 256, 8 + 255, "255"),
        ("a" * (LONGEST + 1), LONGEST, "1024"),
        (SHA, 0, "id of an image"),
        (SHA[7:], 0, "id of an image"),
        ("ghcr.io/a b", 9, "path"),
        (" nginx", 0, "path"),
        ("ghcr.io/../etc", 8, "path"),
    ],
)
def test_an_error_names_the_position_and_what_was_expected(text: str, position: int, expects: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"position {position}: expected .*{expects}") as error:
        parse(text)
    assert error.value.position == position
    assert expects in error.value.expected


def test_an_error_shows_hostile_text_harmless_and_short() -> None:
    with pytest.raises(InvalidReferenceError) as error:
        parse("\x1b[31m\u202e" + "x" * 100_000)
    assert "\x1b" not in str(error.value)
    assert "\\x1b[31m\\u202e" in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/bitnami/nginx:1", "bitnami/nginx:1"),
        ("ghcr.io/a:1", "ghcr.io/a:1"),
        # Shorter, these would be read as a host, a wrong one, or as the id of an image.
        ("docker.io/a_b.c/d:1", "docker.io/a_b.c/d:1"),
        ("docker.io/localhost/a:1", "docker.io/localhost/a:1"),
        ("docker.io/ghcr.io/a:1", "docker.io/ghcr.io/a:1"),
        (f"docker.io/library/{SHA}", f"library/{SHA}"),
    ],
)
def test_a_familiar_name_is_the_shortest_that_means_the_same(text: str, short: str) -> None:
    assert familiar(parse(text)) == short
