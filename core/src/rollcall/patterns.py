"""Patterns of repositories, tags and names: what a policy writes to mean many, matched whole and in linear time.

A pattern of repositories is read by the function that reads references, so that both have one spelling. `*` stands for
any characters of one segment, `**` for whole segments; a host may be `*`, or begin with `*.`. There are no regular
expressions: what a person writes is never run, and no text makes matching slow.
"""

from __future__ import annotations

import re
from typing import Final

from rollcall.record import Reference
from rollcall.references import LONGEST, InvalidReferenceError, means_host, parse
from rollcall.text import printable

ANY_IMAGE: Final = "*/**"
"""The pattern of every repository on every host."""

_LONGEST_NAME: Final = 253
_STAND_IN: Final = "x"  # a letter that is allowed wherever a wildcard is, and is no hex digit
_STAND_IN_HOST: Final = "x.x"
_TAG_OR_DIGEST: Final = re.compile(r"[:@][^/]*\Z")
_TAG: Final = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.*-]{0,127}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.*-]+")


class InvalidPatternError(ValueError):
    """A text is no pattern: `position` (from 0) is where it goes wrong, `expected` what should stand there."""

    def __init__(self, text: str, position: int, expected: str) -> None:
        super().__init__(f"pattern '{printable(text, 100)}' is wrong at position {position}: expected {expected}")
        self.position = position
        self.expected = expected


class Glob:
    """A text with `*` (no `/`) and, as whole segments, `**`: compiled to bits, one step for each character.

    A non-deterministic automaton whose set of states is one integer. `**` is two states, at the border of a segment and
    within one; before the last segment it stands for none or more segments, as the last one for one or more.
    """

    __slots__ = ("_accepting", "_borders", "_inner", "_literals", "_rest", "_stars", "_start", "prefix", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.prefix, star, rest = text.partition("*")
        self._rest = star + rest
        self._literals: dict[str, int] = {}
        self._stars = self._borders = self._inner = 0
        at, state = 0, 0
        while at < len(self._rest):
            if self._rest.startswith("**", at):
                self._borders |= 1 << state
                self._inner |= 1 << state + 1
                state, at = state + 2, at + len("**/")
                continue
            if self._rest[at] == "*":
                self._stars |= 1 << state
            else:
                self._literals[self._rest[at]] = self._literals.get(self._rest[at], 0) | 1 << state
            state, at = state + 1, at + 1
        self._accepting = self._inner & 1 << state - 1 if text.endswith("**") else 1 << state
        self._start = self._through(1)

    @property
    def literal(self) -> bool:
        """Whether it matches one text alone."""
        return not self._rest

    def matches(self, text: str) -> bool:
        """Say whether the whole text matches."""
        return self.trace(text)[0]

    def trace(self, text: str) -> tuple[bool, int]:
        """Say whether the whole text matches, and in how many steps that was found: at most one a character."""
        if not text.startswith(self.prefix):
            return False, len(self.prefix)
        if not self._rest:
            return len(text) == len(self.prefix), len(self.prefix)
        if self._rest in {"*", "**"}:  # as nearly all are, and the same as below
            return _ends(text[len(self.prefix) :], self._rest), len(text)
        states, steps = self._start, len(self.prefix)
        for character in text[steps:]:
            steps += 1
            after = (states & self._literals.get(character, 0)) << 1
            if character == "/":
                after |= (states & self._inner) >> 1
            else:
                after |= states & (self._stars | self._inner) | (states & self._borders) << 1
            states = self._through(after)
            if not states:
                return False, steps
        return bool(states & self._accepting), steps

    def _through(self, states: int) -> int:
        """Add what is reached without a character: past `**` as no segment, past `*` as no character."""
        if self._borders:
            states |= (states & self._borders) << 2
        return states | (states & self._stars) << 1


def _ends(text: str, wildcard: str) -> bool:
    if wildcard == "*":
        return "/" not in text
    return bool(text) and "//" not in f"/{text}/"


class ImagePattern:
    """A pattern of repositories, normalised: `host` is a host, `*`, or `*.` and the end of one; `path` a glob."""

    __slots__ = ("host", "path", "text")

    def __init__(self, host: str, path: str) -> None:
        self.host = host
        self.path = Glob(path)
        self.text = f"{host}/{path}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImagePattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"ImagePattern({self.text!r})"

    def matches(self, reference: Reference) -> bool:
        """Say whether a reference's repository matches; its tag and digest have no part in it."""
        return self.matches_host(reference.registry) and self.path.matches(reference.repository)

    def matches_host(self, host: str) -> bool:
        """Say whether a host matches: `*.example.com` is any name below example.com, at any depth, and not itself."""
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])  # a host begins with no dot, so that something is before it
        return host == self.host


def image_pattern(text: str) -> ImagePattern:
    """Read and normalise a pattern of repositories, as `nginx`, `ghcr.io/acme/**`, `*.example.com/*/app` or `*/**`.

    Raises:
        InvalidPatternError: the text is no pattern.
    """
    if len(text) > LONGEST:
        raise InvalidPatternError(text, LONGEST, f"the end, after at most {LONGEST} characters")
    first, slash, path = text.partition("/")
    if not slash or not (first == "*" or means_host(first)):
        first, path = "", text
    _check_host(text, first)
    _check_segments(text)
    plain, moved = text.replace("*", _STAND_IN), 0
    if first == "*":
        plain, moved = _STAND_IN_HOST + plain[1:], len(_STAND_IN_HOST) - 1
    try:
        reference = parse(plain)
    except InvalidReferenceError as error:
        raise InvalidPatternError(text, max(0, error.position - moved), error.expected) from error
    if mark := _TAG_OR_DIGEST.search(text):
        raise InvalidPatternError(
            text, mark.start(), "the end of the path: `tags` and `digests` are fields of their own"
        )
    host = reference.registry
    if first.startswith("*"):
        host = "*" if first == "*" else f"*{host[1:]}"
    # A lone `**` on Docker Hub is all of it, not what lies in `library/`, which one name alone would get.
    added = "" if path == "**" else reference.repository[: len(reference.repository) - len(path)]
    return ImagePattern(host, added + path)


def tag_pattern(text: str) -> Glob:
    """Read a pattern of tags, as `latest`, `v1.*` or `*-debug`. Raises InvalidPatternError."""
    return _glob(text, _TAG, "a tag of up to 128 of A-Z a-z 0-9 _ . - and *, that begins with none of . -")


def name_pattern(text: str) -> Glob:
    """Read a pattern of names of namespaces or containers, as `prod-*`. Raises InvalidPatternError."""
    return _glob(text[: _LONGEST_NAME + 1], _NAME, f"a name of up to {_LONGEST_NAME} of A-Z a-z 0-9 _ . - and *")


def _glob(text: str, allowed: re.Pattern[str], expected: str) -> Glob:
    match = allowed.match(text)
    end = match.end() if match else 0
    if end < len(text) or not text or len(text) > _LONGEST_NAME:
        raise InvalidPatternError(text, min(end, _LONGEST_NAME), expected)
    if (twice := text.find("**")) >= 0:
        raise InvalidPatternError(text, twice + 1, "one *: ** is for the segments of a repository's path")
    return Glob(text)


def _check_host(text: str, first: str) -> None:
    if not first and (text in {"*", "**"} or text.startswith("**/")):
        expected = (
            f"a host first: {ANY_IMAGE} is every image, docker.io/** all of Docker Hub, docker.io/library/* its own"
        )
        raise InvalidPatternError(text, 0, expected)
    star = first.find("*", 1 if first.startswith("*.") else 0)
    if star >= 0 and first != "*":
        raise InvalidPatternError(text, star, "a host without *, but for * alone or a leading *.")


def _check_segments(text: str) -> None:
    at, before = 0, ""
    for segment in text.split("/"):
        twice = segment.find("**")
        if twice >= 0 and segment != "**":
            raise InvalidPatternError(text, at + twice, "** as a whole segment, or one * within a segment")
        if segment == before == "**":
            raise InvalidPatternError(text, at, "another segment than **: one stands for any number of them")
        at, before = at + len(segment) + 1, segment
