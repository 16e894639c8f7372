"""Laws of patterns that hold for any text."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.patterns import Glob, ImagePattern, InvalidPatternError, image_pattern
from rollcall.record import Reference
from rollcall.references import parse

hosts = st.from_regex(r"[a-c]{1,3}(\.[a-c]{1,2}){1,3}(:[1-9][0-9]{0,2})?", fullmatch=True)
segments = st.from_regex(r"[ab]{1,3}(-[ab]{1,2})?", fullmatch=True)
paths = st.lists(segments, min_size=1, max_size=5).map("/".join)
names = st.builds("{}/{}".format, hosts, paths)
stars = st.from_regex(r"[ab*]{1,4}", fullmatch=True).map(lambda text: re.sub(r"\*+", "*", text))
globs = (
    st.lists(st.one_of(segments, stars, st.just("**")), min_size=1, max_size=5)
    .map("/".join)
    .filter(lambda path: "**/**" not in path)
)
wild_hosts = st.one_of(hosts, st.just("*"), hosts.map(lambda host: f"*.{host}"))
patterns = st.builds("{}/{}".format, wild_hosts, globs)
odd = st.one_of(patterns, globs, names, st.text(), st.text("aB0.:/@_-[]*\n", max_size=40))


def read(text: str) -> ImagePattern | None:
    with contextlib.suppress(InvalidPatternError):
        return image_pattern(text)
    return None


def obvious(path: str) -> re.Pattern[str]:
    """Say a path's glob as a regular expression: slow, and easy to see to be right."""
    last = path.endswith("**")
    parts = path.split("/")[: -1 if last else None]
    said = "".join("([^/]+/)*" if part == "**" else part.replace("*", "[^/]*") + "/" for part in parts)
    return re.compile(said + "([^/]+/)*[^/]+" if last else said.removesuffix("/"))


@given(odd)
def test_any_text_is_a_pattern_or_an_error_with_a_position(text: str) -> None:
    if read(text) is None:
        with pytest.raises(InvalidPatternError) as error:
            image_pattern(text)
        assert 0 <= error.value.position <= len(text)
        assert str(error.value).isprintable()


@given(odd)
def test_what_is_printed_reads_back_as_the_same_and_is_normal(text: str) -> None:
    pattern = read(text)
    if pattern is not None:
        assert image_pattern(str(pattern)) == pattern
        assert str(image_pattern(str(pattern))) == str(pattern)
        assert str(pattern).isascii()


@given(names)
def test_a_pattern_without_wildcards_is_normalised_as_a_reference_is(name: str) -> None:
    assert str(image_pattern(name)) == parse(name).name
    assert image_pattern(name).matches(parse(name))


@given(globs, st.one_of(paths, st.text("ab/", max_size=12)))
def test_a_path_matches_as_the_obvious_expression_does(glob: str, path: str) -> None:
    assert Glob(glob).matches(path) == bool(obvious(glob).fullmatch(path))


@given(patterns, names)
def test_no_pattern_without_a_wildcard_in_its_host_matches_another_host(pattern: str, name: str) -> None:
    read_pattern, reference = image_pattern(pattern), parse(name)
    if "*" not in read_pattern.host and read_pattern.matches(reference):
        assert reference.registry == read_pattern.host


@given(stars, segments, segments)
def test_a_star_never_crosses_a_segment(glob: str, one: str, other: str) -> None:
    assert not Glob(glob).matches(f"{one}/{other}")


@given(hosts, names)
def test_a_star_in_a_host_matches_neither_the_apex_nor_a_longer_name(host: str, name: str) -> None:
    pattern = image_pattern(f"*.{host}/**")
    path = parse(name).repository
    for other in (host, f"a.{host}.evil.test", f"evil{host}", f"evil.test/{host}", f"evil.test/a.{host}"):
        with contextlib.suppress(ValueError):
            assert not pattern.matches(parse(f"{other}/{path}"))
    assert pattern.matches(parse(f"a.{host}/{path}"))


@given(names, st.text("ab-/", min_size=1, max_size=4))
def test_a_prefix_is_never_enough(name: str, more: str) -> None:
    with contextlib.suppress(ValueError):
        assert not image_pattern(name).matches(parse(name + more))
    longer = Reference(registry=parse(name).registry, repository=f"{parse(name).repository}{more}")
    assert not image_pattern(name).matches(longer)


@given(names, st.text("ab.-_0", min_size=1, max_size=20).filter(lambda tag: tag[0] not in ".-"), globs)
def test_a_tag_has_no_part_in_it(name: str, tag: str, glob: str) -> None:
    for pattern in (image_pattern(name), image_pattern(f"*/{glob}")):
        assert pattern.matches(parse(name)) == pattern.matches(parse(f"{name}:{tag}"))


@given(globs, st.text("ab/", max_size=200))
def test_the_steps_are_at_most_one_a_character(glob: str, text: str) -> None:
    assert Glob(glob).trace(text)[1] <= max(len(text), len(glob))


@pytest.mark.parametrize("glob", ["a*" * 60 + "b", "/".join(["**", "a*"] * 40) + "/b", "*a*a*a*a*b"])
def test_the_steps_grow_linearly_where_backtracking_would_explode(glob: str) -> None:
    traced = [Glob(glob).trace("a" * length + "c") for length in (100, 1000, 10_000)]
    assert [found for found, _ in traced] == [False] * 3
    assert all(steps <= length + 1 for (_, steps), length in zip(traced, (100, 1000, 10_000), strict=True))


@given(st.text("*", min_size=3, max_size=5), segments)
def test_three_stars_mean_nothing(several: str, segment: str) -> None:
    for text in (f"ghcr.io/{several}", f"ghcr.io/{segment}{several}", f"{several}.io/{segment}"):
        assert read(text) is None
