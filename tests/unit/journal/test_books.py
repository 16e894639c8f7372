"""The books: each sum closes, and each way of not closing shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from rollcall_agent.collect.event import KernelLedger, WaysOut
from rollcall_agent.journal import AgentLedger, Books, Journal, KernelRow, Start

WAYS = WaysOut(seen=21, other_hierarchy=1, never_a_container=2, throttled=3, quiet=4, submitted=5, lost=6)

ROW = KernelRow(
    collector="core",
    number=1,
    boot_id="b",
    hierarchy=0,
    opened_ns=1,
    closed_ns=2,
    interrupted=False,
    ledger=KernelLedger(attach=1, mkdirs=WAYS, rmdirs=WAYS),
    read=5,
    end_read=5,
)
AGENT = AgentLedger(
    read=40,
    listed=15,
    not_a_root={"conmon": 1, "cut": 2},
    foreign=3,
    nested=4,
    sandbox=5,
    duplicate=6,
    pending=7,
    ready=8,
    late=2,
    written=9,
    dropped={"disk_full": 4, "overflow": 6},
    end_read=3,
    end_matched=1,
    end_unmatched=2,
)


def books(row: KernelRow = ROW, agent: AgentLedger = AGENT) -> Books:
    return Books(epoch="e", created_ns=1, durable_ns=2, settled_up_to=0, kernel=(row,), agent=agent, gaps=())


def test_books_that_close() -> None:
    assert AGENT.difference == 0
    assert books().closed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("read", 41),
        ("listed", 14),
        ("not_a_root", {"conmon": 1}),
        ("foreign", 0),
        ("nested", 5),
        ("sandbox", 0),
        ("duplicate", 0),
        ("pending", 0),
        ("ready", 0),
        ("written", 10),
        ("dropped", {"overflow": 6}),
        ("end_read", 4),
        ("end_matched", 0),
        ("end_unmatched", 0),
    ],
)
def test_every_term_of_the_agents_ledger_counts(field: str, value: object) -> None:
    assert not books(agent=replace(AGENT, **{field: value})).closed


@pytest.mark.parametrize("tracepoint", ["mkdirs", "rmdirs"])
@pytest.mark.parametrize("way", WAYS.__struct_fields__)
def test_every_term_of_the_kernels_ledger_counts(tracepoint: str, way: str) -> None:
    wrong = replace(WAYS, **{way: getattr(WAYS, way) + 1})
    assert not books(replace(ROW, ledger=replace(ROW.ledger, **{tracepoint: wrong}))).closed


@pytest.mark.parametrize(
    ("changed", "closed"),
    [
        ({"read": 4}, False),
        ({"end_read": 4}, False),
        ({"read": 4, "closed_ns": None}, True),  # in flight
        ({"read": 4, "interrupted": True}, True),  # in its reader's hands when it was killed
        ({"read": 6, "interrupted": True}, True),  # read again after a kill
    ],
)
def test_what_was_submitted_was_read_where_one_process_read_it_all(changed: dict[str, int], *, closed: bool) -> None:
    assert books(replace(ROW, **changed)).closed is closed


def ledger(attach: int, submitted: int) -> KernelLedger:
    return KernelLedger(attach=attach, mkdirs=WaysOut(seen=submitted, submitted=submitted), recursion_misses=1)


def test_kernel_counters_are_stored_once_a_second_and_at_the_close(journal: Journal, clock: list[int]) -> None:
    for step, submitted in [(0, 1), (999_999_999, 2), (1, 3)]:
        clock[0] += step
        with journal.transaction():
            journal.update_attach(ledger(1, submitted))
    assert journal.books().kernel[0].ledger == ledger(1, 3)
    with journal.transaction():
        journal.count("read", 4, attach=1)
        journal.count("not_a_root", 4, reason="conmon")
        journal.close_attach(ledger(1, 4), 77)
    (row,) = journal.books().kernel
    assert (row.ledger, row.read, row.closed_ns, row.unread) == (ledger(1, 4), 4, 77, 0)
    assert journal.books().closed


def test_a_clock_that_steps_back_does_not_stop_the_counters(journal: Journal, clock: list[int]) -> None:
    with journal.transaction():
        journal.update_attach(ledger(1, 1))
    clock[0] -= 3_600_000_000_000
    with journal.transaction():
        journal.update_attach(ledger(1, 2))
    assert journal.books().kernel[0].ledger == ledger(1, 2)


def test_what_was_rolled_back_is_stored_at_the_next_chance(journal: Journal) -> None:
    def fail() -> None:
        with journal.transaction():
            journal.update_attach(ledger(1, 1))
            journal.open_attach("core", 2, 0, 1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with journal.transaction():
        journal.update_attach(ledger(1, 2))
        with pytest.raises(ValueError, match="attach 2 is not open"):
            journal.count("read", attach=2)
    assert [row.ledger for row in journal.books().kernel] == [ledger(1, 2)]


def test_an_attach_whose_reader_was_killed_is_one_named_gap(
    open_it: Callable[..., Journal], journal: Journal, clock: list[int]
) -> None:
    clock[0] += 5
    with journal.transaction():
        journal.update_attach(ledger(1, 3))
        journal.count("read", 2, attach=1)
        journal.count("foreign", 2)
    last_commit = clock[0]
    journal.close()  # with its attach still open, as after a kill
    clock[0] += 1_000
    journal = open_it()
    with journal.transaction():
        assert journal.next_attach_number() == 2
        journal.open_attach("core", 2, 0, clock[0])
        assert journal.close_lost_attaches(clock[0]) == 1
        assert journal.close_lost_attaches(clock[0]) == 0
    books = journal.books()
    assert [(gap.from_ns, gap.to_ns, gap.reason) for gap in books.gaps] == [(last_commit, clock[0], "attach_lost")]
    lost, new = books.kernel
    assert (lost.number, lost.interrupted, lost.closed_ns, lost.unread) == (1, True, clock[0], 1)
    assert (new.number, new.interrupted, new.closed_ns) == (2, False, None)
    assert books.closed


def test_a_time_in_which_nobody_watched_is_a_named_gap(open_it: Callable[..., Journal], journal: Journal) -> None:
    with journal.transaction():
        journal.close_attach(ledger(1, 0), 100)
    journal.close()
    journal = open_it()
    with journal.transaction():
        journal.open_attach("core", 2, 0, 150)
        journal.open_attach("core", 3, 0, 160)  # one that is open closes the gap
        assert journal.close_lost_attaches(160) == 0
    assert [(gap.from_ns, gap.to_ns, gap.reason) for gap in journal.books().gaps] == [(100, 150, "stopped")]


def test_a_pinned_attach_is_read_on_in_its_own_row(open_it: Callable[..., Journal], journal: Journal) -> None:
    with journal.transaction():
        journal.count("read", 2, attach=1)
        journal.count("foreign", 2)
    journal.close()
    journal = open_it()
    with journal.transaction():
        journal.open_attach("core", 1, 0, 9, taken_over=True)
        journal.count("read", 1, attach=1)
        journal.count("foreign", 1)
        assert journal.close_lost_attaches(9) == 0
    (row,) = journal.books().kernel
    assert (row.read, row.opened_ns, row.interrupted, row.closed_ns) == (3, 1, True, None)
    assert journal.books().gaps == ()


def test_old_attaches_are_summed_up_and_the_books_still_close(journal: Journal) -> None:
    for number in range(1, 200):
        with journal.transaction():
            if number > 1:
                journal.open_attach("core" if number % 2 else "bcc", number, 0, number)
            journal.count("read", 3, attach=number)
            journal.count("foreign", 3)
            journal.close_attach(ledger(number, 3), number)
    books = journal.books()
    assert len(books.kernel) == 64 + 1 + 2
    assert sum(row.ledger.mkdirs.submitted for row in books.kernel) == 199 * 3
    assert sum(row.ledger.recursion_misses for row in books.kernel) == 199
    assert books.agent.read == 199 * 3
    assert books.closed
    assert {row.number for row in books.kernel} == {0, *range(135, 200)}


def test_gaps_are_joined_and_none_is_hidden(journal: Journal) -> None:
    with journal.transaction():
        for number in range(300):
            journal.gap(number * 10, number * 10 + 5, "attach_lost", 1)
    gaps = journal.books().gaps
    assert len(gaps) == 256
    assert (gaps[0].from_ns, gaps[0].to_ns, gaps[0].bound) == (0, 445, 45)
    assert (gaps[1].from_ns, gaps[-1].from_ns) == (450, 2990)


def test_the_journal_is_complete_since_its_first_attach(open_it: Callable[..., Journal], journal: Journal) -> None:
    assert journal.complete_since_ns() == 1
    journal.close()
    journal = open_it()
    with journal.transaction():
        journal.open_attach("core", 2, 0, 99)
    assert journal.complete_since_ns() == 1


def test_nothing_is_committed_where_nothing_changed(journal: Journal, clock: list[int]) -> None:
    before = journal.newest_durable_ns
    clock[0] += 1
    with journal.transaction():
        pass
    assert journal.newest_durable_ns == before


def test_a_start_is_counted_with_its_reason(journal: Journal, make_start: Callable[..., Start]) -> None:
    with journal.transaction():
        journal.count("read", 5, attach=1)
        journal.count("not_a_root", reason="conmon")
        journal.count("not_a_root", 2, reason="cut")
        journal.count("nested")
        row = journal.add(make_start(1))
        assert row is not None
        journal.drop(row, "gone")
    agent = journal.books().agent
    assert (agent.not_a_root, agent.nested, agent.dropped) == ({"conmon": 1, "cut": 2}, 1, {"gone": 1})
    assert agent.difference == 0
