"""Limit, unlimited and unknown are three things, whoever names them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.record import Limit
from rollcall_agent.enrich.limits import limits, limits_from_cgroup, limits_from_spec

UNLIMITED, UNKNOWN = Limit(unlimited=True), Limit()
MIB = 1 << 20


@pytest.mark.parametrize(
    ("memory", "quota", "period", "unified", "expected"),
    [
        (64 * MIB, 50_000, 100_000, {}, (Limit(limit=64 * MIB), Limit(limit=500))),
        (0, 0, 0, {}, (UNLIMITED, UNLIMITED)),
        (-1, -1, 100_000, {}, (UNLIMITED, UNLIMITED)),
        (0, 150_000, 0, {}, (UNLIMITED, Limit(limit=1500))),
        (0, 1, 100_000, {}, (UNLIMITED, Limit(limit=1))),
        (64 * MIB, 0, 0, {"memory.max": "max", "cpu.max": "20000 10000"}, (UNLIMITED, Limit(limit=2000))),
        (0, 0, 0, {"memory.max": "4096", "cpu.max": "max"}, (Limit(limit=4096), UNLIMITED)),
        (0, 0, 0, {"memory.max": "much", "cpu.max": "1 x"}, (UNKNOWN, UNKNOWN)),
    ],
)
def test_limits(memory: int, quota: int, period: int, unified: dict[str, str], expected: tuple[Limit, Limit]) -> None:
    found = limits(memory, quota, period, unified, "cri.containerStatus")
    assert (found.memory, found.cpu) == expected
    assert found.source == "cri.containerStatus"


@pytest.mark.parametrize(
    ("resources", "expected", "source"),
    [
        (None, (UNKNOWN, UNKNOWN), None),
        ([], (UNKNOWN, UNKNOWN), None),
        ({}, (UNLIMITED, UNLIMITED), "spec"),
        ({"memory": {"limit": 4096}, "cpu": {"quota": 200_000}}, (Limit(limit=4096), Limit(limit=2000)), "spec"),
        ({"memory": {"limit": "4096"}, "cpu": 7}, (UNLIMITED, UNLIMITED), "spec"),
        ({"unified": {"memory.max": "8192", "cpu.max": 5}}, (Limit(limit=8192), UNLIMITED), "spec"),
    ],
)
def test_a_specification(resources: object, expected: tuple[Limit, Limit], source: str | None) -> None:
    found = limits_from_spec(resources, "spec")
    assert (found.memory, found.cpu) == expected
    assert found.source == source


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (UNKNOWN, UNKNOWN)),
        ({"memory.max": "max\n", "cpu.max": "max 100000\n"}, (UNLIMITED, UNLIMITED)),
        ({"memory.max": "67108864\n", "cpu.max": "50000 100000\n"}, (Limit(limit=64 * MIB), Limit(limit=500))),
        (
            {
                "memory.limit_in_bytes": "9223372036854771712\n",
                "cpu.cfs_quota_us": "-1\n",
                "cpu.cfs_period_us": "100000\n",
            },
            (UNLIMITED, UNLIMITED),
        ),
        (
            {"memory.limit_in_bytes": "4096\n", "cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"},
            (Limit(limit=4096), Limit(limit=500)),
        ),
        ({"memory.limit_in_bytes": "4096\n", "cpu.cfs_quota_us": "50000\n"}, (Limit(limit=4096), UNKNOWN)),
    ],
)
def test_a_cgroup(files: dict[str, str], expected: tuple[Limit, Limit]) -> None:
    found = limits_from_cgroup(files.get)
    assert (found.memory, found.cpu) == expected
    assert (found.source is None) == (expected == (UNKNOWN, UNKNOWN))


@given(
    st.dictionaries(
        st.sampled_from(["memory.max", "cpu.max", "memory.limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us"]),
        st.text(max_size=30),
    )
)
def test_no_text_of_a_cgroup_raises(files: dict[str, str]) -> None:
    found = limits_from_cgroup(files.get)
    for limit in (found.memory, found.cpu):
        assert limit.limit is None or not limit.unlimited
