"""Image references: from what a person, a pod or a runtime wrote to host, path, tag and digest, normalised.

The grammar is that of the distribution project (github.com/distribution/reference), with what it leaves to its callers
decided: one spelling for each host, `latest` where nothing was said, sha256 and sha512 in lower-case hex alone.
"""

from __future__ import annotations

import re
from typing import Final

from rollcall.record import Reference
from rollcall.text import printable

LONGEST: Final = 1024
"""Characters of the longest text that is looked at."""

_LONGEST_HOST: Final = 253  # RFC 1035, without the length bytes
_LONGEST_PATH: Final = 255  # distribution: RepositoryNameTotalLengthMax
_HIGHEST_PORT: Final = 65535
_HUB: Final = "docker.io"
_OTHER_NAMES_OF_HUB: Final = frozenset({"index.docker.io", "registry-1.docker.io"})

_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST: Final = re.compile(rf"(?P<name>{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::(?P<port>[0-9]+))?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}(?![0-9a-f])|sha512:[0-9a-f]{128}(?![0-9a-f])")
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class InvalidReferenceError(ValueError):
    """A text is no image reference: `position` (from 0) is where it goes wrong, `expected` what should stand there."""

    def __init__(self, text: str, position: int, expected: str) -> None:
        shown = printable(text, 100)
        super().__init__(f"image reference '{shown}' is wrong at position {position}: expected {expected}")
        self.position = position
        self.expected = expected


def image_id(text: str) -> str | None:
    """Return `sha256:<64 hex>` where a text is the bare id of an image, with or without its `sha256:`; else None.

    To be asked before `parse`: by the grammar alone such an id would be a repository of the name `sha256`.
    """
    match = _IMAGE_ID.fullmatch(text)
    return f"sha256:{match[1]}" if match else None


def is_digest(text: str) -> bool:
    """Say whether a text is a digest as they are accepted here: sha256 or sha512, in lower-case hex."""
    return bool(_DIGEST.fullmatch(text))


def parse(text: str) -> Reference:
    """Read and normalise a reference; linear in its length. With tag and digest both are kept, the digest decides.

    Raises:
        InvalidReferenceError: the text is no reference, or is the bare id of an image.
    """
    _refuse_what_is_none(text)
    first, slash, _ = text.partition("/")
    host, start = _HUB, 0
    if slash and means_host(first):
        host, start = _normal_host(text, first), len(first) + 1

    path_match = _PATH.match(text, start)
    if path_match is None:
        raise InvalidReferenceError(text, start, "a path that begins with a lower-case letter or digit")
    path, at = path_match[0], path_match.end()
    tag = digest = None
    if text.startswith(":", at):
        tag, at = _take(_TAG, text, at + 1, "a tag: up to 128 of A-Z a-z 0-9 _ . - that begin with none of . -")
    if text.startswith("@", at):
        digest, at = _take(_DIGEST, text, at + 1, "sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case")
    if at < len(text):
        raise InvalidReferenceError(text, at, _what_may_follow(tag, digest))

    if host == _HUB and "/" not in path:
        path = f"library/{path}"
    if len(path) > _LONGEST_PATH:
        raise InvalidReferenceError(text, start + _LONGEST_PATH, f"a path of at most {_LONGEST_PATH} characters")
    if tag is None and digest is None:
        tag = "latest"
    return Reference(registry=host, repository=path, tag=tag, digest=digest)


def familiar(reference: Reference) -> str:
    """Print a reference as people write it, without Docker Hub's defaults; it still reads back as the same."""
    text = str(reference)
    for prefix in (f"{_HUB}/library/", f"{_HUB}/"):
        short = text.removeprefix(prefix)
        if short != text and _reads_as(short, reference):
            return short
    return text


def _reads_as(text: str, reference: Reference) -> bool:
    try:
        return parse(text) == reference
    except InvalidReferenceError:
        return False


def _refuse_what_is_none(text: str) -> None:
    if len(text) > LONGEST:
        raise InvalidReferenceError(text, LONGEST, f"the end, after at most {LONGEST} characters")
    if image_id(text):
        raise InvalidReferenceError(text, 0, "a repository; this is the id of an image")


def means_host(first: str) -> bool:
    """Say whether the first component of a longer text is a host; else it is part of a path on Docker Hub."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _normal_host(text: str, first: str) -> str:
    match = _HOST.match(first)
    if match is None:
        raise InvalidReferenceError(text, 0, "a host: letters, digits, . and -, or an IPv6 address in brackets")
    if match.end() < len(first):
        raise InvalidReferenceError(text, match.end(), "a host, then : and a port, then /")
    name, port = match["name"].lower(), match["port"]
    if len(name) > _LONGEST_HOST:
        raise InvalidReferenceError(text, _LONGEST_HOST, f"a host of at most {_LONGEST_HOST} characters")
    if port is not None:
        if not 0 < int(port) <= _HIGHEST_PORT:
            raise InvalidReferenceError(text, match.start("port"), f"a port from 1 to {_HIGHEST_PORT}")
        if int(port) != 443:  # noqa: PLR2004  # https, what a registry is asked by unless said
            return f"{name}:{int(port)}"
    if not means_host(name):
        # `Intranet/app` and `intranet:443/app` name a host, `intranet/app` a path on Docker Hub: the port tells.
        return f"{name}:443"
    return _HUB if name in _OTHER_NAMES_OF_HUB else name


def _take(pattern: re.Pattern[str], text: str, at: int, expected: str) -> tuple[str, int]:
    match = pattern.match(text, at)
    if match is None:
        raise InvalidReferenceError(text, at, expected)
    return match[0], match.end()


def _what_may_follow(tag: str | None, digest: str | None) -> str:
    if digest is not None:
        return "the end, after the digest"
    if tag is not None:
        return "@ and a digest, or the end, after the tag"
    return "a path of lower-case letters and digits, joined by one of . _ __ / or by -, then :tag, @digest or the end"
