"""Wall time of a boot time: the difference of the clocks that was in force then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollcall.times import nanoseconds, rfc3339
from rollcall_agent.roll.clock import WallClock

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def a_clock(boot_ns: int, wall_ns: int) -> WallClock:
    clock = WallClock()
    clock._offsets.clear()
    clock.sample(boot_ns, wall_ns)
    return clock


def test_a_step_of_the_wall_clock_leaves_earlier_times_alone() -> None:
    clock = a_clock(100 * SECOND, 1_000 * SECOND)
    clock.sample(200 * SECOND, 1_100 * SECOND + HOUR)
    assert clock.wall_ns(150 * SECOND) == 1_050 * SECOND
    assert clock.wall_ns(250 * SECOND) == 1_150 * SECOND + HOUR


def test_slewing_moves_the_newest_difference_without_a_new_sample() -> None:
    clock = a_clock(0, 1_000 * SECOND)
    for second in range(1, 1_000):
        clock.sample(second * SECOND, (1_000 + second) * SECOND + second * 100)
    assert clock.wall_ns(999 * SECOND) == 1_999 * SECOND + 99_900


def test_what_is_older_than_the_history_gets_the_oldest_difference() -> None:
    clock = a_clock(100 * SECOND, 1_000 * SECOND)
    assert clock.wall_ns(1 * SECOND) == 901 * SECOND


@given(st.integers(min_value=0, max_value=4_000_000_000 * SECOND))
def test_a_time_written_and_read_is_the_same_to_the_microsecond(wall_ns: int) -> None:
    assert nanoseconds(rfc3339(wall_ns)) == wall_ns // 1000 * 1000
