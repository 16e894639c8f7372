"""Which starts of a listed container no row knows."""

from __future__ import annotations

import pytest

from rollcall.record import Origin, Runtime
from rollcall_agent.derive import ContainerCandidate
from rollcall_agent.enrich.facts import Listed, State
from rollcall_agent.journal.start import Start
from rollcall_agent.roll.reconcile import missed
from rollcall_agent.roll.walk import Standing

S = 1_000_000_000
ID = "a" * 64
CANDIDATE = ContainerCandidate(container_id=ID, runtime="containerd")


def a_row(cgroup_id: int, begin_s: int, end_s: int | None = None) -> Start:
    return Start(
        identity=f"row-{cgroup_id}",
        candidate=CANDIDATE,
        boot_id="b",
        cgroup_id=cgroup_id,
        hierarchy=0,
        origin=Origin.KERNEL,
        read_ns=0,
        ctime_ns=begin_s * S,
        ended_ns=end_s * S if end_s is not None else None,
    )


def a_place(cgroup_id: int) -> Standing:
    return Standing(candidate=CANDIDATE, cgroup_id=cgroup_id, path=b"/x")


def listed(state: State, created_s: int | None = 100, finished_s: int | None = None) -> Listed:
    return Listed(
        container_id=ID,
        runtime=Runtime(name="containerd"),
        state=state,
        created_ns=created_s * S if created_s is not None else None,
        finished_ns=finished_s * S if finished_s is not None else None,
    )


@pytest.mark.parametrize(
    ("entry", "rows", "places", "expected"),
    [
        pytest.param(listed(State.CREATED), [], [], [], id="created and not started is nothing yet"),
        pytest.param(listed(State.RUNNING), [], [7], [7], id="running and unknown is reported where it stands"),
        pytest.param(listed(State.RUNNING), [a_row(7, 100)], [7], [], id="running and known is known"),
        pytest.param(
            listed(State.RUNNING), [a_row(7, 100, 200)], [8], [8], id="started again in a new cgroup is a new start"
        ),
        pytest.param(listed(State.RUNNING), [], [], [None], id="running without a cgroup of its own"),
        pytest.param(listed(State.RUNNING), [a_row(0, 100)], [], [], id="running without a cgroup, known"),
        pytest.param(listed(State.EXITED, 100, 110), [], [], [None], id="exited and lost"),
        pytest.param(listed(State.EXITED, 100, 110), [a_row(7, 101)], [], [], id="exited, its row has no end yet"),
        pytest.param(listed(State.EXITED, 100, 110), [a_row(7, 101, 111)], [], [], id="exited, its row ended with it"),
        pytest.param(
            listed(State.EXITED, 100, 300),
            [a_row(7, 101, 111)],
            [],
            [None],
            id="exited again, long after its row's end",
        ),
        pytest.param(listed(State.EXITED, 100), [a_row(7, 150, 160)], [], [], id="exited, started long after creation"),
        pytest.param(
            listed(State.EXITED, 100), [a_row(7, 60, 70)], [], [None], id="exited, its row is an earlier one's"
        ),
        pytest.param(listed(State.RUNNING), [a_row(7, 150, 160)], [], [], id="running as listed, ended since"),
        pytest.param(listed(State.EXITED, 40, 45), [], [], [], id="exited before the roll began"),
        pytest.param(listed(State.EXITED, 40, 90), [], [7], [], id="exited, its directory still standing"),
        pytest.param(listed(State.UNKNOWN), [], [], [], id="unknown and nowhere"),
        pytest.param(listed(State.UNKNOWN), [], [7], [7], id="unknown but standing"),
    ],
)
def test_missed(entry: Listed, rows: list[Start], places: list[int], expected: list[int | None]) -> None:
    found = missed(entry, rows, [a_place(each) for each in places], since_ns=50 * S)
    assert [place.cgroup_id if place else None for place in found] == expected
