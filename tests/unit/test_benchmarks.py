"""How measurements become a page."""

from __future__ import annotations

import pytest

from bench.result import Row, compare, percentile
from bench.tables import HEADINGS, line, page


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 99, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        (range(1, 101), 50, 50),
        (range(1, 101), 99, 99),
        (range(1, 51), 99, 50),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == expected


def test_what_was_made_is_compared_with_what_came() -> None:
    came = [("a", True), ("b", False), ("b", True), ("somebody else's", True)]
    count = compare(["a", "b", "c"], came)
    assert (count.made, count.recorded, count.complete, count.twice) == (3, 2, 2, 1)
    assert not count.exact
    assert str(count) == "2 of 3 recorded, 2 complete, 1 twice"
    assert compare(["a"], came).exact


def test_a_miss_stays_in_the_table() -> None:
    rows = [
        Row(what="this", collector="core", feed="a|b", p50=1.234, target="1 ms", met=False),
        Row(what="that", collector="bcc", feed="nothing", p99=123.4, idle=48.6, met=True, earlier="9 ms"),
        Row(what="other", collector="bcc", feed="nothing"),
    ]
    written = page({"kernel": "6.1"}, rows)
    assert "1 targets met, 1 missed." in written
    assert "| kernel | 6.1 |" in written
    lines = written.splitlines()
    assert "| this | core | a\\|b |  | 1.23 |  |  |  |  | 1 ms | **missed** |  |" in lines
    assert "| that | bcc | nothing |  |  | 123.4 |  |  | 49% |  | met | 9 ms |" in lines
    assert line(rows[2]).count(" | ") == len(HEADINGS) - 1
