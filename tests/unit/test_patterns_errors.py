"""What is said of a text that is no pattern, word for word; the last text that is one; and what a glob promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollcall.patterns import Glob, InvalidPatternError, image_pattern, name_pattern, tag_pattern

TAG = "a tag of up to 128 of A-Z a-z 0-9 _ . - and *, that begins with none of . -"
NAME = "a name of up to 253 of A-Z a-z 0-9 _ . - and *"
ONE_STAR = "one *: ** is for the segments of a repository's path"
HOST_STAR = "a host without *, but for * alone or a leading *."
WHOLE = "** as a whole segment, or one * within a segment"
ANOTHER = "another segment than **: one stands for any number of them"
FIELDS = "the end of the path: `tags` and `digests` are fields of their own"


@pytest.mark.parametrize(
    ("read", "text", "position", "expected"),
    [
        (image_pattern, "ghcr.io/acme:1", 12, FIELDS),
        (image_pattern, "gh*r.io/acme", 2, HOST_STAR),
        (image_pattern, "*.ghcr.*/acme", 7, HOST_STAR),
        (image_pattern, "ghcr.io/a**", 9, WHOLE),
        (image_pattern, "ghcr.io/a/**/**", 13, ANOTHER),
        (image_pattern, "a" * 1024, 255, "a path of at most 255 characters"),
        (image_pattern, "a" * 1025, 1024, "the end, after at most 1024 characters"),
        (tag_pattern, "v1/x", 2, TAG),
        (tag_pattern, ".v1", 0, TAG),
        (tag_pattern, "", 0, TAG),
        (tag_pattern, "a" * 129, 128, TAG),
        (tag_pattern, "**", 1, ONE_STAR),
        (tag_pattern, "a**b**", 2, ONE_STAR),
        (name_pattern, "a b", 1, NAME),
        (name_pattern, "a" * 254, 253, NAME),
        (name_pattern, "**", 1, ONE_STAR),
    ],
)
def test_an_error_says_where_and_what_was_expected(
    read: Callable[[str], object], text: str, position: int, expected: str
) -> None:
    with pytest.raises(InvalidPatternError) as raised:
        read(text)
    assert (raised.value.position, raised.value.expected) == (position, expected)
    assert str(raised.value).endswith(f"is wrong at position {position}: expected {expected}")


def test_an_error_shows_a_hundred_characters_of_the_text() -> None:
    with pytest.raises(InvalidPatternError, match=f"^pattern '{'!' * 99}…' is wrong"):
        name_pattern("!" * 200)


def test_the_longest_are_still_patterns() -> None:
    assert name_pattern("a" * 253).matches("a" * 253)
    assert tag_pattern("a" * 128).text == "a" * 128


def test_two_patterns_are_equal_where_they_are_one_text_once_normalised() -> None:
    nginx, same, other = image_pattern("nginx"), image_pattern("docker.io/library/nginx"), image_pattern("redis")
    assert nginx == same
    assert hash(nginx) == hash(same)
    assert nginx != other
    assert hash(nginx) != hash(other)
    assert nginx != nginx.text


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("**/a/**", "xx/a/yy", True),
        ("**/a/**", "xx/yy/a/zz/ww", True),
        ("**/a/**", "a/b", True),
        ("**/a/**", "xx/a", False),
        ("**/a", "/x/a", False),
        ("**", "a//b", False),
        ("**", "/a", False),
        ("**", "", False),
        ("a/**", "a/b//c", False),
    ],
)
def test_whole_segments(pattern: str, text: str, *, matches: bool) -> None:
    assert Glob(pattern).matches(text) is matches


@pytest.mark.parametrize(
    ("pattern", "text", "trace"),
    [
        ("a*b", "axxb", (True, 4)),
        ("a*b/c", "axx/b", (False, 4)),
        ("abc", "abd", (False, 3)),
        ("*b", "xyz/", (False, 4)),
    ],
)
def test_the_steps_are_the_characters_that_were_looked_at(pattern: str, text: str, trace: tuple[bool, int]) -> None:
    assert Glob(pattern).trace(text) == trace
