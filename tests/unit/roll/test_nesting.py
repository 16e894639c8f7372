"""Containers inside containers: which one is around, and how many it may have."""

from __future__ import annotations

from rollcall_agent.roll.nesting import BURST, Nesting


def test_a_directory_lies_in_the_live_root_among_its_ancestors() -> None:
    nesting = Nesting()
    nesting.add(40, "outer")
    around = nesting.around((99, 40, 1))
    assert around is not None
    assert around.container_id == "outer"
    assert nesting.around((99, 41, 1)) is None
    assert nesting.around_id("outer") is around


def test_an_ended_root_is_around_nothing() -> None:
    nesting = Nesting()
    nesting.add(40, "outer")
    nesting.remove(40)
    assert nesting.around((40,)) is None
    assert nesting.around_id("outer") is None


def test_the_same_id_started_again_is_not_forgotten_with_its_first_cgroup() -> None:
    nesting = Nesting()
    nesting.add(40, "outer")
    nesting.add(50, "outer")
    nesting.remove(40)
    around = nesting.around_id("outer")
    assert around is not None
    assert around.cgroup_id == 50


def test_over_its_budget_a_root_counts_the_excess_once() -> None:
    nesting = Nesting()
    nesting.add(40, "outer")
    root = nesting.around((40,))
    assert root is not None
    spent = [root.spend(1_000.0) for _ in range(BURST + 7)]
    assert spent == [True] * BURST + [False] * 7
    (taken,) = nesting.take_excess()
    assert (taken.container_id, taken.excess) == ("outer", 7)
    assert nesting.take_excess() == []


def test_a_budget_fills_up_again_with_time() -> None:
    nesting = Nesting()
    nesting.add(40, "outer")
    root = nesting.around((40,))
    assert root is not None
    for _ in range(BURST):
        root.spend(1_000.0)
    assert not root.spend(1_000.0)
    assert root.spend(1_060.0)
