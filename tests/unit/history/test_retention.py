"""How long the history keeps what, and that it is read by index where it grows."""

from __future__ import annotations

import pytest

from lab.history import Machine, digest
from rollcall_agent.history import keeper
from rollcall_agent.history.keeper import KEPT_DAYS
from rollcall_agent.journal import room

DAY = 24 * 3600 * 10**9


def identities(machine: Machine) -> list[str]:
    with machine.reader() as reader:
        return [kept.identity for kept in reader.starts(newest_first=False)]


def test_the_history_of_a_start_outlives_its_row_and_goes_with_its_age(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_FORGET_TICKS", 1)
    row = machine.add(1, "ghcr.io/acme/app:1", "a")
    machine.add(2, "ghcr.io/acme/app:1", "a")
    machine.hand()
    machine.settle()
    machine.end(row)
    machine.tick()
    with machine.journal.transaction():
        assert machine.journal.forget_unknown((), machine.now + 1) == 1
    machine.now += KEPT_DAYS * DAY
    machine.tick()
    assert len(identities(machine)) == 2
    machine.now += 1_000_000_000
    machine.tick()
    assert identities(machine) == [f"identity{2:018d}"], "what lives stays"
    assert machine.counts() == {("ghcr.io/acme/app", digest("a")): 2}, "counts of images stay"


def test_for_want_of_room_the_oldest_history_goes_first(machine: Machine) -> None:
    rows = [machine.add(number, "ghcr.io/acme/app:1", "a") for number in range(3)]
    machine.hand()
    machine.settle()
    machine.end(rows[0])
    machine.end(rows[1])
    machine.tick()
    with machine.journal.transaction():
        connection = machine.journal.connection
        connection.execute("DELETE FROM starts WHERE id = ?", (rows[0],))
        assert room.make_room(connection, machine.journal.boot_id)
        assert machine.journal.get(rows[1]) is not None
    assert identities(machine) == [f"identity{number:018d}" for number in (1, 2)]
    with machine.journal.transaction():
        assert room.make_room(connection, machine.journal.boot_id)
    assert identities(machine) == [f"identity{2:018d}"]
    assert machine.journal.get(rows[1]) is None
    with machine.journal.transaction():
        assert room.make_room(connection, machine.journal.boot_id)
        assert not room.make_room(connection, machine.journal.boot_id), "what lives stays"
    assert machine.counts() == {}


def test_a_start_whose_image_was_forgotten_is_counted_anew(machine: Machine) -> None:
    machine.start(1, "ghcr.io/acme/app:1", "a")
    with machine.journal.transaction():
        room.make_room(machine.journal.connection, machine.journal.boot_id)
    machine.start(2, "ghcr.io/acme/app:1", "a")
    assert machine.counts() == {("ghcr.io/acme/app", digest("a")): 1}


def test_what_is_done_each_second_reads_by_index(machine: Machine) -> None:
    """A million starts that have ended cost a tick nothing."""
    statements: list[str] = []
    machine.write("a.yaml", "")
    machine.journal.connection.set_trace_callback(statements.append)
    machine.tick()
    machine.journal.connection.set_trace_callback(None)
    asked = [each for each in statements if each.startswith("SELECT") and "FROM history" in each]
    assert len(asked) == 2
    for statement in asked:
        plan = machine.journal.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert not [row["detail"] for row in plan if row["detail"].startswith("SCAN") and "INDEX" not in row["detail"]]
