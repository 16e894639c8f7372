"""The identity of a start is one for each start, whoever noticed it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.identity import identity

BOOT = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
ID = "0123456789abcdef" * 4

starts = st.tuples(st.text(), st.text(), st.integers(min_value=1, max_value=2**64 - 1))


def test_it_is_the_same_in_every_release() -> None:
    """Events are named by it: a record of an older agent must still be recognised."""
    assert identity(BOOT, ID, 4711) == "3ixwhgcsm5xlcazyanfkzi3gfd"
    assert identity(BOOT, ID, 4711, revision="late") == "erbugxrjtwpqfwiw3wuok2wye4"
    assert identity(BOOT, ID, 0, started_ns=1_700_000_000_000_000_000) == "hpqdbwfwhqd5cno2prrixhhyak"


@given(starts)
def test_it_is_26_digits_of_base32(start: tuple[str, str, int]) -> None:
    assert re.fullmatch(r"[a-z2-7]{26}", identity(*start))


@given(starts.filter(lambda start: "\0" not in start[0] + start[1]), starts)
def test_two_starts_have_two(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    assert (identity(*one) == identity(*other)) is (one == other)


def test_a_new_cgroup_or_a_new_boot_or_a_late_answer_is_another_one() -> None:
    known = identity(BOOT, ID, 1)
    assert len({known, identity(BOOT, ID, 2), identity("other", ID, 1), identity(BOOT, ID, 1, revision="late")}) == 4


def test_with_a_cgroup_the_time_has_no_part_in_it() -> None:
    assert identity(BOOT, ID, 1, started_ns=5) == identity(BOOT, ID, 1)


def test_without_a_cgroup_the_time_tells_starts_apart() -> None:
    assert identity(BOOT, ID, 0, started_ns=5) != identity(BOOT, ID, 0, started_ns=6)
    assert identity(BOOT, ID, 0, started_ns=5) != identity(BOOT, ID, 5)
    with pytest.raises(ValueError, match=ID):
        identity(BOOT, ID, 0)
