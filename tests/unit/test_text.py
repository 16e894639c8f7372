"""Hostile text is shown harmless, stays valid JSON, and takes bounded room."""

from __future__ import annotations

import json
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.text import LABELS_BYTES, LONGEST_KEY, LONGEST_VALUE, MOST_LABELS, bounded_labels, printable, utf8

anything = st.one_of(st.text(st.characters(categories=None)), st.binary())  # surrogates too
MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größer, 東京, 🐳", "größer, 東京, 🐳"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc\x00", r"a\x0ab\x0d\x09c\x00"),
        ("\x7f", r"\x7f"),
        ("\x9b31m\x85", r"\u009b31m\u0085"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("a\u200bb\u200d\ufeff\u2060", r"a\u200bb\u200d\ufeff\u2060"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\xa0\u3000", r"\u00a0\u3000"),
        ("\u115f\u3164\u2800", r"\u115f\u3164\u2800"),
        ("\ufe0f\U000e0101\U000e0041", r"\ufe0f\U000e0101\U000e0041"),
        ("\ud800", r"\ud800"),
        ("\udcff", r"\xff"),
        ("\ue000", r"\ue000"),
        (r"\x1b", r"\\x1b"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"\xc0\x80", r"\xc0\x80"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"\x1b\\", r"\x1b\\"),
        ("", ""),
        (b"", ""),
    ],
)
def test_what_acts_on_a_reader_is_written_out(text: str | bytes, shown: str) -> None:
    assert printable(text, 100) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        (b"abcde", 4, "abc…"),
        ("ab\x1b", 5, "ab…"),
        ("ab\x1b", 6, r"ab\x1b"),
        ("\x1b\x1b", 4, "…"),
        ("äöüäöü", 3, "äö…"),
        ("äöüäöü".encode(), 3, "äö…"),
        ("🐳🐳🐳🐳".encode(), 3, "🐳🐳…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("", 0, ""),
    ],
)
def test_what_is_longer_is_cut_and_says_so(text: str | bytes, limit: int, shown: str) -> None:
    assert printable(text, limit) == shown


@given(anything, st.integers(min_value=0, max_value=60))
def test_whatever_it_is_one_short_harmless_line_is_shown(text: str | bytes, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    shown.encode()


@given(st.text(st.characters(categories=None), max_size=50), st.text(st.characters(categories=None), max_size=50))
def test_two_texts_are_never_shown_alike(one: str, other: str) -> None:
    assert (printable(one, 1000) == printable(other, 1000)) is (one == other)


@given(st.text())
def test_text_and_its_bytes_are_shown_alike(text: str) -> None:
    assert printable(text, 2000) == printable(text.encode(), 2000)


@pytest.mark.parametrize("text", ["\x1b" * 50 * MEGABYTE, b"\xff" * 50 * MEGABYTE])
def test_showing_a_huge_text_costs_what_is_shown(text: str | bytes) -> None:
    tracemalloc.start()
    try:
        printable(text, 80)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/docker/caf\xc3\xa9", "/docker/café"),
        (b"/a\xffb", r"/a\xffb"),
        (b"/a\x1bb\n", "/a\x1bb\n"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (rb"/machine-my\x2dweb.scope", r"/machine-my\x2dweb.scope"),
    ],
)
def test_bytes_become_text_for_json(raw: bytes, text: str) -> None:
    assert utf8(raw) == text


@given(st.binary())
def test_any_bytes_become_valid_json(raw: bytes) -> None:
    assert json.loads(msgspec.json.encode(utf8(raw))) == utf8(raw)


def test_labels_that_fit_are_kept_whole() -> None:
    labels = {"app": "web", "k" * LONGEST_KEY: "v" * LONGEST_VALUE}
    assert bounded_labels(labels) == (labels, False)
    assert bounded_labels({}) == ({}, False)


def test_a_long_value_is_cut_and_a_long_key_left_out() -> None:
    kept, truncated = bounded_labels({"a": "x" * MEGABYTE, "b" * (LONGEST_KEY + 1): "y", "c": "z"})
    assert kept == {"a": "x" * (LONGEST_VALUE - 1) + "…", "c": "z"}
    assert truncated


def test_too_many_labels_are_left_out_the_last_by_key_first() -> None:
    labels = {f"{number:03}": "v" for number in reversed(range(MOST_LABELS + 1))}
    kept, truncated = bounded_labels(labels)
    assert list(kept) == [f"{number:03}" for number in range(MOST_LABELS)]
    assert truncated
    del labels[f"{MOST_LABELS:03}"]
    assert bounded_labels(labels) == (labels, False)


def test_all_labels_together_have_a_bound() -> None:
    kept, truncated = bounded_labels({f"{number:02}": "€" * LONGEST_VALUE for number in range(20)})
    assert len(kept) == LABELS_BYTES // (2 + 3 * LONGEST_VALUE)
    assert truncated


@given(st.dictionaries(st.text(max_size=400), st.text(max_size=400), max_size=100))
def test_labels_are_bounded_and_the_same_in_any_order(labels: dict[str, str]) -> None:
    kept, truncated = bounded_labels(labels)
    assert len(kept) <= MOST_LABELS
    assert all(len(key) <= LONGEST_KEY and len(value) <= LONGEST_VALUE for key, value in kept.items())
    assert sum(len(key.encode()) + len(value.encode()) for key, value in kept.items()) <= LABELS_BYTES
    assert truncated is (kept != labels)
    assert bounded_labels(dict(reversed(labels.items()))) == (kept, truncated)


def test_labels_of_a_megabyte_take_no_memory() -> None:
    labels = {f"{number}": "\x1b" * MEGABYTE for number in range(100)}
    tracemalloc.start()
    try:
        bounded_labels(labels)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
