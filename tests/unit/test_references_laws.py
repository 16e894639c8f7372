"""Laws of references that hold for any text."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.record import Reference
from rollcall.references import InvalidReferenceError, familiar, image_id, parse

hosts = st.from_regex(
    r"([a-zA-Z0-9]{1,6}(-[a-zA-Z0-9]{1,3})?(\.[a-zA-Z0-9]{1,4}){0,2}|\[[0-9a-fA-F:]{2,12}\])(:[0-9]{1,5})?/",
    fullmatch=True,
)
hubs = st.sampled_from(["", "docker.io/", "index.docker.io/", "Registry-1.docker.io:443/", "localhost/", "library/"])
paths = st.from_regex(
    r"[a-z0-9]{1,5}(([._]|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,5}(\.[a-z0-9]){0,1}){0,3}", fullmatch=True
)
tags = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True))
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
digests = st.one_of(st.just(""), hexes.map(lambda digits: f"@sha256:{digits}"), hexes.map(lambda d: f"@sha512:{d}{d}"))
well_formed = st.builds(lambda *parts: "".join(parts), st.one_of(hosts, hubs), paths, tags, digests)
odd = st.one_of(
    well_formed, hexes, hexes.map(lambda digits: f"sha256:{digits}"), st.text(), st.text("aB0.:/@_-[]\n", max_size=40)
)


def read(text: str) -> Reference | None:
    with contextlib.suppress(InvalidReferenceError):
        return parse(text)
    return None


@given(odd)
def test_any_text_is_a_reference_or_an_error_with_a_position(text: str) -> None:
    if read(text) is None:
        with pytest.raises(InvalidReferenceError) as error:
            parse(text)
        assert 0 <= error.value.position <= len(text)
        assert str(error.value).isprintable()


@given(odd)
def test_what_is_printed_reads_back_as_the_same(text: str) -> None:
    reference = read(text)
    if reference is not None:
        assert parse(str(reference)) == reference
        assert parse(familiar(reference)) == reference


@given(odd)
def test_what_was_read_is_normal(text: str) -> None:
    reference = read(text)
    if reference is None:
        return
    assert str(reference).isascii()
    assert reference.registry == reference.registry.lower()
    assert reference.tag is not None or reference.digest is not None
    assert reference.registry not in {"index.docker.io", "registry-1.docker.io"}
    assert reference.registry != "docker.io" or "/" in reference.repository
    assert re.fullmatch(r"[a-z0-9._/-]+", reference.repository)


@given(well_formed, st.characters(exclude_categories=["Ll", "Lu", "Nd"], exclude_characters="._-/:@[]"))
def test_no_other_character_is_let_through(text: str, stranger: str) -> None:
    for at in (0, len(text) // 2, len(text)):
        with pytest.raises(InvalidReferenceError):
            parse(text[:at] + stranger + text[at:])


@given(hexes)
def test_the_id_of_an_image_is_never_a_reference(digits: str) -> None:
    for text in (digits, f"sha256:{digits}"):
        assert image_id(text) == f"sha256:{digits}"
        with pytest.raises(InvalidReferenceError):
            parse(text)
    assert image_id(digits[1:]) is None
    assert image_id(f"{digits}\n") is None


@given(well_formed)
def test_a_reference_is_no_id_of_an_image(text: str) -> None:
    reference = read(text)
    if reference is not None:
        assert image_id(str(reference)) is None
