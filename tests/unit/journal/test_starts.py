"""How a start moves through the journal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollcall.record import ContainerCreate, Origin, Resolution, TimeSource
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.journal import IN_HAND, Journal, Revision, Start, State

Starts = Callable[..., Start]
Records = Callable[..., ContainerCreate]


def add(journal: Journal, start: Start) -> int:
    with journal.transaction():
        journal.count("read", attach=1)
        row = journal.add(start)
    assert row is not None
    return row


def written(journal: Journal, row: int, record: ContainerCreate) -> None:
    with journal.transaction():
        journal.resolve(row, record)
    with journal.transaction():
        handed = journal.next_ready()
        journal.settle([start.row for start in handed])


def test_a_start_comes_back_as_it_was_added(journal: Journal, make_start: Starts) -> None:
    start = make_start(
        7,
        candidate=ContainerCandidate(
            container_id="web\x00ü",
            runtime="containerd",
            namespace="k8s.io",
            pod_uid="u",
            nested_below="a" * 64,
            maker_has_api=False,
            sandbox=True,
        ),
        cgroup_id=(1 << 64) - 3,
        hierarchy=4,
        origin=Origin.RECONCILED,
        path=b"/\xff\x1b[31m\x00" * 100,
        path_cut=True,
        leaf=b"\xfe\n",
        boot_ns=(1 << 63) - 1,
        ctime_ns=5,
        ctime_source=TimeSource.CGROUP,
        started_ns=6,
        finished_ns=7,
    )
    row = add(journal, start)
    kept = journal.get(row)
    assert kept is not None
    assert {name: getattr(kept, name) for name in start.__struct_fields__ if name != "row"} == {
        name: getattr(start, name) for name in start.__struct_fields__ if name != "row"
    }
    assert kept.row == row
    assert kept.container_id == "web\x00ü"


@pytest.mark.parametrize("cgroup_id", [1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_an_end_finds_its_cgroup_over_all_of_64_bits(journal: Journal, make_start: Starts, cgroup_id: int) -> None:
    row = add(journal, make_start(1, cgroup_id=cgroup_id))
    with journal.transaction():
        journal.count("end_read", attach=1)
        assert journal.end(cgroup_id, 0, 99, TimeSource.KERNEL)
    kept = journal.get(row)
    assert kept is not None
    assert (kept.state, kept.ended_ns, kept.ended_source) == (State.PENDING, 99, TimeSource.KERNEL)


def test_the_way_of_one_start(journal: Journal, make_start: Starts, make_record: Records) -> None:
    row = add(journal, make_start(1))
    assert [start.row for start in journal.pending()] == [row]
    with journal.transaction():
        journal.resolve(row, make_record(1), started_ns=11, finished_ns=12)
    assert journal.pending() == []
    (ready,) = journal.ready()
    assert (ready.record, ready.resolution) == (make_record(1), Resolution.RESOLVED)
    assert (ready.started_ns, ready.finished_ns) == (11, 12)
    with journal.transaction():
        (handed,) = journal.next_ready()
    assert handed.sequence == 1
    assert journal.ready() == []
    assert [start.sequence for start in journal.unsettled()] == [1]
    assert journal.settled_up_to() == 0
    with journal.transaction():
        journal.settle([row])
    assert journal.settled_up_to() == 1
    kept = journal.get(row)
    assert kept is not None
    assert kept.state is State.WRITTEN


def test_a_known_identity_gets_no_second_row(journal: Journal, make_start: Starts) -> None:
    row = add(journal, make_start(1))
    with journal.transaction():
        journal.count("listed")
        assert journal.add(make_start(1, origin=Origin.RECONCILED)) is None
    assert [start.row for start in journal.by_container_id(f"{1:064x}")] == [row]
    agent = journal.books().agent
    assert (agent.read, agent.listed, agent.pending, agent.duplicate, agent.difference) == (1, 1, 1, 1, 0)


def test_at_most_64_are_in_hand_and_sequences_have_no_gap(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    rows = []
    with journal.transaction():
        for number in range(100):
            journal.count("read", attach=1)
            row = journal.add(make_start(number))
            assert row is not None
            journal.resolve(row, make_record(number))
            rows.append(row)
        first = journal.next_ready(40)
        second = journal.next_ready()
        third = journal.next_ready()
    assert [start.row for start in first + second] == rows[:IN_HAND]
    assert third == []
    assert [start.sequence for start in journal.unsettled()] == list(range(1, IN_HAND + 1))
    with journal.transaction():
        journal.settle([rows[1], rows[2]])
    assert journal.settled_up_to() == 0
    with journal.transaction():
        journal.settle([rows[0]])
        journal.drop(rows[3], "refused")
        more = journal.next_ready()
    assert journal.settled_up_to() == 4
    assert [start.sequence for start in more] == [65, 66, 67, 68]
    agent = journal.books().agent
    assert (agent.written, agent.ready, agent.dropped, agent.difference) == (3, 96, {"refused": 1}, 0)


def test_a_late_answer_revises_a_written_start_and_counts_it_once(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    row = add(journal, make_start(1))
    written(journal, row, make_record(1, Resolution.UNRESOLVED))
    with journal.transaction():
        assert journal.late(row, make_record(1, supersedes="x"))
    agent = journal.books().agent
    assert (agent.written, agent.ready, agent.late, agent.difference) == (0, 1, 1, 0)
    with journal.transaction():
        (handed,) = journal.next_ready()
        journal.settle([handed.row])
    assert (handed.revision, handed.sequence, handed.record) == (Revision.LATE, 2, make_record(1, supersedes="x"))
    agent = journal.books().agent
    assert (agent.written, agent.ready, agent.late, agent.difference) == (1, 0, 0, 0)


def test_a_late_answer_before_the_sink_replaces_and_in_its_hands_waits(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    row = add(journal, make_start(1))
    with journal.transaction():
        journal.resolve(row, make_record(1, Resolution.UNRESOLVED))
        assert journal.late(row, make_record(1))
    (ready,) = journal.ready()
    assert (ready.revision, ready.resolution, ready.record) == (Revision.FIRST, Resolution.RESOLVED, make_record(1))
    with journal.transaction():
        journal.next_ready()
        assert not journal.late(row, make_record(1, Resolution.PARTIAL))
    assert journal.unsettled()[0].record == make_record(1)


def test_a_late_answer_that_no_sink_takes_leaves_the_start_written(
    journal: Journal, make_start: Starts, make_record: Records
) -> None:
    row = add(journal, make_start(1))
    written(journal, row, make_record(1, Resolution.UNRESOLVED))
    with journal.transaction():
        journal.late(row, make_record(1))
        journal.drop(row, "refused")
    agent = journal.books().agent
    assert (agent.written, agent.dropped, agent.difference) == (1, {}, 0)


def test_a_sandbox_nobody_asked_for_is_counted_and_not_handed_out(journal: Journal, make_start: Starts) -> None:
    row = add(journal, make_start(1))
    with journal.transaction():
        journal.resolve_sandbox(row)
        assert journal.next_ready() == []
    assert journal.books().agent.sandbox == 1


@pytest.mark.parametrize("move", ["resolve", "resolve_sandbox", "settle", "late", "drop"])
def test_a_move_from_the_wrong_state_is_refused(
    journal: Journal, make_start: Starts, make_record: Records, move: str
) -> None:
    row = add(journal, make_start(1))
    with journal.transaction():
        journal.drop(row, "refused")
    before = journal.get(row)
    moves: dict[str, Callable[[], object]] = {
        "resolve": lambda: journal.resolve(row, make_record(1)),
        "resolve_sandbox": lambda: journal.resolve_sandbox(row),
        "settle": lambda: journal.settle([row]),
        "late": lambda: journal.late(row, make_record(1)),
        "drop": lambda: journal.drop(row, "again"),
    }
    with pytest.raises(ValueError, match="row"), journal.transaction():
        moves[move]()
    assert journal.get(row) == before


def test_an_end_is_the_newest_starts_and_the_first_one_told_stays(journal: Journal, make_start: Starts) -> None:
    old = add(journal, make_start(1, cgroup_id=5))
    new = add(journal, make_start(2, cgroup_id=5))
    with journal.transaction():
        journal.end_row(new, 10, TimeSource.RUNTIME)
        journal.count("end_read", 2, attach=1)
        assert journal.end(5, 0, 20, TimeSource.KERNEL)
        assert not journal.end(5, 1, 20, TimeSource.KERNEL)  # the same number in another hierarchy
    ends = {start.row: (start.ended_ns, start.ended_source) for start in journal.events()}
    assert ends == {old: (None, None), new: (10, TimeSource.RUNTIME)}
    agent = journal.books().agent
    assert (agent.end_matched, agent.end_unmatched, agent.end_difference) == (1, 1, 0)


def test_an_end_of_another_boot_or_of_no_cgroup_is_nobodys(journal: Journal, make_start: Starts) -> None:
    add(journal, make_start(1, cgroup_id=5, boot_id="another"))
    add(journal, make_start(2, cgroup_id=0))
    with journal.transaction():
        journal.count("end_read", 2, attach=1)
        assert not journal.end(5, 0, 20, TimeSource.KERNEL)
        assert not journal.end(0, 0, 20, TimeSource.KERNEL)
    assert [start.ended_ns for start in journal.events()] == [None, None]


def test_live_are_those_of_this_boot_without_an_end(journal: Journal, make_start: Starts) -> None:
    add(journal, make_start(1, boot_id="another"))
    ended = add(journal, make_start(2))
    live = add(journal, make_start(3))
    with journal.transaction():
        journal.end_row(ended, 1, TimeSource.RUNTIME)
    assert [start.row for start in journal.live(journal.boot_id)] == [live]


@pytest.mark.parametrize(
    ("created", "finished", "found"), [(50, 60, True), (40, 50, True), (51, 60, False), (40, 49, False)]
)
def test_an_exited_container_is_the_row_within_its_interval(
    journal: Journal, make_start: Starts, created: int, finished: int, *, found: bool
) -> None:
    add(journal, make_start(1, ctime_ns=50))
    assert journal.has_row_within(f"{1:064x}", created, finished) is found
    assert not journal.has_row_within(f"{2:064x}", 0, 100)


def test_a_start_that_is_refused_is_no_root(journal: Journal, make_start: Starts) -> None:
    row = add(journal, make_start(1))
    with journal.transaction():
        journal.refuse(row, "not_a_shape")
    assert journal.get(row) is None
    agent = journal.books().agent
    assert (agent.read, agent.not_a_root, agent.pending, agent.difference) == (1, {"not_a_shape": 1}, 0, 0)
    with pytest.raises(ValueError, match="row"), journal.transaction():
        journal.refuse(row, "not_a_shape")


def test_what_ran_before_this_boot_has_ended(journal: Journal, make_start: Starts, clock: list[int]) -> None:
    before, now = add(journal, make_start(1, boot_id="another")), add(journal, make_start(2))
    with journal.transaction():
        journal.close_earlier_boots()
    assert {start.row: start.ended_ns for start in journal.events()} == {before: clock[0], now: None}


def test_nothing_changes_outside_a_transaction(journal: Journal, make_start: Starts) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        journal.add(make_start(1))
    with pytest.raises(RuntimeError, match="transaction"):
        journal.count("listed")
    assert list(journal.events()) == []


def test_a_transaction_that_raises_leaves_nothing_and_counts_nothing(journal: Journal, make_start: Starts) -> None:
    before = journal.books()

    def fail() -> None:
        with journal.transaction():
            journal.count("read", attach=1)
            journal.add(make_start(1))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with journal.transaction():
        pass
    assert journal.books() == before


def test_a_read_of_an_attach_that_is_not_open_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="attach 2 is not open"), journal.transaction():
        journal.count("read", attach=2)


def test_events_come_in_order_over_many_pages(journal: Journal, make_start: Starts) -> None:
    with journal.transaction():
        journal.count("read", 600, attach=1)
        for number in range(600):
            journal.add(make_start(number))
    assert [start.cgroup_id for start in journal.events()] == list(range(1000, 1600))
    since = make_start(590).read_ns
    assert [start.cgroup_id for start in journal.events(since_ns=since)] == list(range(1590, 1600))
