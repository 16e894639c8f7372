"""Making text from workloads safe: to be seen by people, to stand in valid JSON, to be kept in bounded room."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping
from typing import Final, overload

CUT: Final = "…"
"""The mark at the end of a text that was longer."""

MOST_LABELS: Final = 64
LONGEST_KEY: Final = 317
"""Characters of a label's key, as Kubernetes allows them: a DNS subdomain of 253, `/`, a name of 63."""
LONGEST_VALUE: Final = 256
LABELS_BYTES: Final = 8192
LONGEST_NAME: Final = 1024
"""Characters of a name, a reference or a message: more than any that Kubernetes or a registry takes."""

# Printable to Unicode and yet not seen: joiners, fillers and blanks, variation selectors. With them the backslash, so
# that what is escaped can't be forged.
_UNSEEN: Final = re.compile(
    "[\\\\\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_UTF8_LENGTH: Final = 4  # bytes of the longest character


def printable(text: str | bytes, limit: int) -> str:
    r"""Return a text that shows what it holds and does nothing: one line, at most `limit` characters.

    What a terminal or a reader's eye would act on is written as `\x1b` or `\u202e`, a backslash as `\\`, bytes that are
    not UTF-8 as `\xff`. A longer text ends in `…`, and never within an escape. Costs what `limit` is, not the text.
    """
    if isinstance(text, bytes):
        more = len(text) > limit * _UTF8_LENGTH
        text = text[: limit * _UTF8_LENGTH].decode("utf-8", "surrogateescape")
    else:
        more = len(text) > limit
        if not more and text.isprintable() and not _UNSEEN.search(text):
            return text
    pieces = [_escape(character) for character in text[: limit + 1]]
    if not more and sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room, kept = limit - len(CUT), []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + CUT if limit else ""


def utf8(raw: bytes) -> str:
    r"""Decode for JSON: bytes that are not UTF-8 become `\xff`; all else, control characters too, stays as it is.

    Not to be undone: a backslash stays one, so that names are what the runtime calls them.
    """
    return raw.decode("utf-8", "backslashreplace")


@overload
def bounded(text: str) -> str: ...
@overload
def bounded(text: str | None) -> str | None: ...
def bounded(text: str | None) -> str | None:
    """Cut a text that a runtime gave at 1024 characters, with `…` as its last; None stays None."""
    if text is None or len(text) <= LONGEST_NAME:
        return text
    return text[: LONGEST_NAME - len(CUT)] + CUT


def shortened(text: str, limit: int) -> str:
    """Cut a longer text, so that it ends in `…` and has `limit` characters; nothing is escaped."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def bounded_labels(labels: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Keep what fits of labels, and say whether something was left out or cut.

    At most 64 labels, keys of 317 characters (a longer one is left out), values of 256 (a longer one is cut and ends in
    `…`), 8 KiB of UTF-8 together. Which ones stay depends on the labels alone: the first by key.
    """
    fitting = [key for key in labels if len(key) <= LONGEST_KEY]
    kept: dict[str, str] = {}
    cut, room = False, LABELS_BYTES
    for key in heapq.nsmallest(MOST_LABELS, fitting):
        value = labels[key]
        if len(value) > LONGEST_VALUE:
            value, cut = value[: LONGEST_VALUE - len(CUT)] + CUT, True
        room -= _bytes(key) + _bytes(value)
        if room < 0:
            break
        kept[key] = value
    return kept, cut or len(kept) < len(labels)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _escape(character: str) -> str:
    # isprintable: no control, format, surrogate, private or unassigned character, no separator but the space.
    if character.isprintable() and not _UNSEEN.match(character):
        return character
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  # surrogateescape: a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isascii():
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
