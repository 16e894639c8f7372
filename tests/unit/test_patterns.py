"""Patterns: what each matches, what it never matches, and what an error says."""

from __future__ import annotations

import pytest

from rollcall.patterns import InvalidPatternError, image_pattern, name_pattern, tag_pattern
from rollcall.references import parse


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/library/nginx", "docker.io/library/nginx"),
        ("INDEX.docker.io:443/nginx", "docker.io/library/nginx"),
        ("nginx*", "docker.io/library/nginx*"),
        ("a*.b", "docker.io/library/a*.b"),
        ("*.com", "docker.io/library/*.com"),
        ("docker.io/*", "docker.io/library/*"),
        ("docker.io/**", "docker.io/**"),
        ("registry-1.docker.io/**", "docker.io/**"),
        ("team-*/app", "docker.io/team-*/app"),
        ("a/**/b", "docker.io/a/**/b"),
        ("*/**", "*/**"),
        ("*/nginx", "*/nginx"),
        ("*.Example.COM:443/app/*", "*.example.com/app/*"),
        ("*.example.com:5000/app", "*.example.com:5000/app"),
        ("*.docker.io/nginx", "*.docker.io/nginx"),
        ("Local/a*", "local:443/a*"),
        ("localhost/*", "localhost/*"),
        ("[FC00::1]:80/a*", "[fc00::1]:80/a*"),
    ],
)
def test_a_pattern_has_one_spelling_as_a_reference_has(text: str, printed: str) -> None:
    assert str(image_pattern(text)) == printed
    assert image_pattern(printed) == image_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "image", "matches"),
    [
        ("ghcr.io/acme/app", "ghcr.io/acme/app", True),
        ("ghcr.io/acme/app", "ghcr.io/acme/app:v1", True),
        ("ghcr.io/acme/app", "ghcr.io/acme/app/x", False),
        ("ghcr.io/acme/app", "ghcr.io/acme/apps", False),
        ("ghcr.io/acme/*", "ghcr.io/acme/app", True),
        ("ghcr.io/acme/*", "ghcr.io/acme/app/x", False),
        ("ghcr.io/acme/*", "ghcr.io/acme-evil/app", False),
        ("ghcr.io/acme/**", "ghcr.io/acme", False),
        ("ghcr.io/acme/**", "ghcr.io/acme/app", True),
        ("ghcr.io/acme/**", "ghcr.io/acme/a/b/c", True),
        ("ghcr.io/**/app", "ghcr.io/app", True),
        ("ghcr.io/**/app", "ghcr.io/a/b/app", True),
        ("ghcr.io/**/app", "ghcr.io/a/b-app", False),
        ("ghcr.io/**/app", "ghcr.io/app/b", False),
        ("ghcr.io/a/**/b/**/c", "ghcr.io/a/b/c", True),
        ("ghcr.io/a/**/b/**/c", "ghcr.io/a/b/b/b/c", True),
        ("ghcr.io/a/**/b/**/c", "ghcr.io/a/c", False),
        ("ghcr.io/a/**/b*", "ghcr.io/a/x/y/bus", True),
        ("ghcr.io/a/*/c", "ghcr.io/a/b/c", True),
        ("ghcr.io/a/*/c", "ghcr.io/a/c", False),
        ("ghcr.io/a/*b*c*", "ghcr.io/a/bc", True),
        ("ghcr.io/a/*b*c*", "ghcr.io/a/xbxcx", True),
        ("ghcr.io/a/*b*c*", "ghcr.io/a/cb", False),
        ("ghcr.io/**", "ghcr.io/a", True),
        ("ghcr.io/**", "ghcr.io.evil.test/a", False),
        ("ghcr.io/**", "ghcr.io:5000/a", False),
        ("*/**", "registry.example:5000/a/b", True),
        ("*/**", "nginx", True),
        ("*/nginx", "quay.io/nginx", True),
        ("*/nginx", "quay.io/a/nginx", False),
        ("*.example.com/**", "a.example.com/x", True),
        ("*.example.com/**", "a.b.example.com/x", True),
        ("*.example.com/**", "example.com/x", False),
        ("*.example.com/**", "notexample.com/x", False),
        ("*.example.com/**", "a.example.com.evil.test/x", False),
        ("*.example.com/**", "a.example.com:5000/x", False),
        ("*.example.com/**", "evil.test/a.example.com/x", False),
        ("docker.io/**", "nginx", True),
        ("docker.io/**", "bitnami/nginx", True),
        ("docker.io/*", "bitnami/nginx", False),
        ("docker.io/*/*", "bitnami/nginx", True),
        ("foo*", "foobar:evil", True),
        ("foo*", "foo/bar", False),
        ("team-*/app", "ghcr.io/team-a/app", False),
    ],
)
def test_what_a_pattern_matches(pattern: str, image: str, matches: bool) -> None:  # noqa: FBT001
    assert image_pattern(pattern).matches(parse(image)) is matches


@pytest.mark.parametrize(
    ("text", "position", "expects"),
    [
        ("", 0, "path"),
        ("*", 0, r"\*/\*\* is every image"),
        ("**", 0, "a host first"),
        ("**/nginx", 0, "a host first"),
        ("ghcr.io/a**/b", 9, "whole segment"),
        ("ghcr.io/***", 8, "whole segment"),
        ("ghcr.io/a/**/**", 13, "another segment"),
        ("ghcr.io/a:1", 9, "`tags`"),
        ("nginx:*", 5, "`tags`"),
        ("nginx@sha256:" + "a" * 64, 5, "`digests`"),
        ("foo*.com/x", 3, "host"),
        ("*foo.com/x", 0, "host"),
        ("*.*.com/x", 2, "host"),
        ("**.com/x", 0, "host"),
        ("*:5000/x", 0, "host"),
        ("ghcr.io:*/x", 8, "host"),
        ("[fc00::*]/x", 7, "host"),
        ("*./x", 1, "host"),
        ("ghcr.io/Acme", 8, "lower-case"),
        ("*/Acme", 2, "lower-case"),
        ("ghcr.io//a", 8, "path"),
        ("ghcr.io/a/", 9, "path"),
        ("ghcr.io/a\n", 9, "path"),
        ("ghcr.io/a?", 9, "path"),
        ("ghcr.io/[ab]", 8, "path"),
        ("ghcr.io/а", 8, "path"),  # noqa: RUF001  # a Cyrillic a
        ("a" * 64, 0, "id of an image"),
        ("a" * 2000, 1024, "1024"),
        ("ghcr.io/" + "a*" * 128, 8 + 255, "255"),
    ],
)
def test_an_error_names_the_position_and_what_was_expected(text: str, position: int, expects: str) -> None:
    with pytest.raises(InvalidPatternError, match=f"position {position}: expected .*{expects}") as error:
        image_pattern(text)
    assert error.value.position == position


def test_an_error_shows_hostile_text_harmless_and_short() -> None:
    with pytest.raises(InvalidPatternError) as error:
        image_pattern("\x1b[31m\u202e" + "x" * 1000)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("latest", "latest", True),
        ("latest", "latest-1", False),
        ("v1.*", "v1.2", True),
        ("v1.*", "v1x2", False),
        ("*-debug", "1.0-debug", True),
        ("*-debug", "1.0-debug-", False),
        ("*", "anything", True),
        ("V*", "v1", False),
    ],
)
def test_what_a_pattern_of_tags_matches(pattern: str, text: str, matches: bool) -> None:  # noqa: FBT001
    assert tag_pattern(pattern).matches(text) is matches


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), (":latest", 0), ("v1\n", 2), ("a/b", 1), ("v**", 2), ("-a", 0), ("t" * 129, 128), ("v１", 1)],  # noqa: RUF001  # a wide 1
)
def test_what_is_no_pattern_of_tags(text: str, position: int) -> None:
    with pytest.raises(InvalidPatternError, match=f"position {position}:"):
        tag_pattern(text)


def test_names_are_matched_whole() -> None:
    assert name_pattern("prod-*").matches("prod-eu")
    assert not name_pattern("prod-*").matches("x-prod-eu")
    assert not name_pattern("prod").matches("prod-eu")
    for wrong in ("", "a/b", "a b", "a**", "a" * 254):
        with pytest.raises(InvalidPatternError):
            name_pattern(wrong)
