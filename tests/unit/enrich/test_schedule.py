"""When a question is asked again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rollcall_agent.enrich.schedule import GIVE_UP_NS, MILLISECOND, SECOND, TICK_NS, next_try


def tries(noticed: int, took: int) -> list[int]:
    """All tries of a question that nobody answers, each of which takes `took`; ages, ns."""
    when: int | None = noticed
    ages: list[int] = []
    while when is not None:
        assert len(ages) < 1000
        ages.append(when - noticed)
        when = next_try(noticed, when + took)
    return ages


@pytest.mark.parametrize("noticed", [0, 7 * MILLISECOND, 1234567891])
def test_close_then_near_then_far(noticed: int) -> None:
    ages = tries(noticed, 0)
    assert 13 <= sum(0 < age <= 300 * MILLISECOND for age in ages) <= 16
    assert 10 <= sum(300 * MILLISECOND < age <= SECOND for age in ages) <= 18
    assert [round(age / SECOND) for age in ages if age > 1.5 * SECOND] == [2, 5, 10, 20, 30, 40, 50, 58]
    assert max(ages) < GIVE_UP_NS


@pytest.mark.parametrize("took", [0, 1, MILLISECOND, 5 * SECOND, 70 * SECOND])
def test_a_try_comes_after_the_last_one(took: int) -> None:
    assert all(later > earlier + took for earlier, later in pairwise(tries(0, took)))


def test_tries_of_different_starts_fall_together() -> None:
    assert {next_try(noticed, noticed + MILLISECOND) for noticed in range(0, 5 * MILLISECOND, MILLISECOND)} == {TICK_NS}
