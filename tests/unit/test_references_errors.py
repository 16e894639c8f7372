"""What is said of a text that is no reference, word for word, and the very last text that is one."""

from __future__ import annotations

import pytest

from rollcall.references import InvalidReferenceError, parse

DIGEST = "sha256:" + "a" * 64
PATH = "a path of lower-case letters and digits, joined by one of . _ __ / or by -, then :tag, @digest or the end"
HOST = "a host: letters, digits, . and -, or an IPv6 address in brackets"
LABELS = ".".join(["a" * 63] * 3)  # 191 characters


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "a path that begins with a lower-case letter or digit"),
        ("ghcr.io/", 8, "a path that begins with a lower-case letter or digit"),
        ("app:.x", 4, "a tag: up to 128 of A-Z a-z 0-9 _ . - that begin with none of . -"),
        ("app@sha256:A", 4, "sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case"),
        ("appA", 3, PATH),
        ("x.y/app:1/x", 9, "@ and a digest, or the end, after the tag"),
        (f"app@{DIGEST}:1", 75, "the end, after the digest"),
        (DIGEST, 0, "a repository; this is the id of an image"),
        ("-.x/app", 0, HOST),
        ("x.y:port/app", 3, "a host, then : and a port, then /"),
        ("x.y:65536/app", 4, "a port from 1 to 65535"),
        (f"{LABELS}.{'a' * 62}/app", 253, "a host of at most 253 characters"),
        (f"x.y/{'a' * 256}", 259, "a path of at most 255 characters"),
        ("a" * 1024, 255, "a path of at most 255 characters"),
        ("a" * 1025, 1024, "the end, after at most 1024 characters"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, position: int, expected: str) -> None:
    with pytest.raises(InvalidReferenceError) as raised:
        parse(text)
    assert (raised.value.position, raised.value.expected) == (position, expected)
    assert str(raised.value).endswith(f"is wrong at position {position}: expected {expected}")


def test_an_error_shows_a_hundred_characters_of_the_text() -> None:
    with pytest.raises(InvalidReferenceError, match=f"^image reference '{'A' * 99}…' is wrong"):
        parse("A" * 200)


@pytest.mark.parametrize(
    "text", [f"{LABELS}.{'a' * 61}/app:1", "x.y:65535/app:1", f"x.y/{'a' * 255}:1", f"x.y/app:{'t' * 128}"]
)
def test_the_longest_and_the_highest_are_still_references(text: str) -> None:
    assert str(parse(text)) == text
