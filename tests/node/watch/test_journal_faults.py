"""Faults of the journal: its disk is full, its file is damaged before or while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from lab.cgroups import mounted
from lab.watching import closed_books, rollcall, rows, rows_of
from rollcall.record import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.node_lab import NodeLab
    from lab.starting import Starter
    from node.watch.conftest import Begin


@pytest.fixture
def small() -> Iterator[Path]:
    """A file system of 2 MiB."""
    with mounted("tmpfs", "size=2m") as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Leave nothing free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


def test_a_full_disk_is_counted_with_its_reason_and_recovered_from(
    begin: Begin, start: Starter, node: NodeLab, small: Path, tmp_path: Path
) -> None:
    journal = small / "journal.db"
    watch = begin("--collector", "core", journal=journal, folder=tmp_path).answered_by(node.containerd.socket)
    watch.printed(start.long(1))
    ballast = fill(small)
    ended = start.short(20)
    running = start.long(2)
    watch.until(lambda: "is given up and counted" in watch.said(), "it gives up what it can't write")
    ballast.unlink()
    after = start.long(1)
    watch.printed([*running, *after], seconds=120)
    assert watch.stop() == 0
    assert {each: len(found) for each, found in rows_of(journal, [*running, *after]).items() if len(found) != 1} == {}
    books = closed_books(journal)
    dropped = books["agent"]["dropped"]
    assert dropped.keys() == {"disk_full"}
    missing = [each for each, found in rows_of(journal, ended).items() if not found]
    assert dropped["disk_full"] >= len(missing)
    assert missing or {found[0].origin for found in rows_of(journal, running).values()} == {Origin.RECONCILED}


def test_a_disk_that_is_full_from_the_start_is_a_clear_error(node: NodeLab, small: Path) -> None:
    fill(small)
    endpoint = ["--runtime-endpoint", node.containerd.endpoint]
    done = rollcall("watch", *endpoint, "--journal", str(small / "journal.db"), status=1)
    assert "disk" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_journal_found_damaged_is_set_aside_and_a_new_epoch_begins(
    begin: Begin, start: Starter, node: NodeLab, journal: Path
) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    ids = start.long(2)
    watch.printed(ids)
    watch.stop()
    before = closed_books(journal)
    content = bytearray(journal.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    journal.write_bytes(content)
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    printed = watch.printed(ids)
    assert watch.stop() == 0
    assert "A damaged journal was set aside" in watch.said()
    (aside,) = journal.parent.glob("journal.db.corrupt-*Z")
    assert aside.read_bytes() == content
    assert {record.origin for record in printed.values()} == {Origin.RECONCILED}
    books = closed_books(journal)
    assert books["epoch"] != before["epoch"]
    assert [gap["reason"] for gap in books["gaps"]] == ["journal_corrupt"]


def damage(journal: Path) -> None:
    """Spoil the pages of the starts, as a disk would, and let the writer see that its cache is old."""
    with closing(sqlite3.connect(journal, timeout=30, isolation_level=None)) as connection:
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        roots = connection.execute("SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'starts'").fetchall()
        with journal.open("r+b") as file:
            for (root,) in roots:
                file.seek((root - 1) * page)
                file.write(b"\xff" * page)
        connection.execute("UPDATE journal SET durable_ns = durable_ns + 1")


def test_a_journal_damaged_while_in_use_is_set_aside_and_watch_goes_on(
    begin: Begin, start: Starter, node: NodeLab, journal: Path
) -> None:
    watch = begin("--collector", "core").answered_by(node.containerd.socket)
    before = start.long(2)
    watch.printed(before)
    watch.until(lambda: {row.state for row in rows(journal)} == {"written"}, "all is settled")
    epoch = closed_books(journal)["epoch"]
    damage(journal)
    after = [*start.long(1), *start.pods(1, 1)]
    watch.until(
        lambda: all(each and each[0].record for each in rows_of(journal, [*before, *after]).values()), "all are in"
    )
    assert watch.stop() == 0
    assert "The journal is damaged" in watch.said()
    assert len(list(journal.parent.glob("journal.db.corrupt-*Z"))) == 1
    printed = [record for record in watch.read() if record.container_id in {*before, *after}]
    for record in printed:
        assert record.spool
    in_new = [record.container_id for record in printed if record.spool and record.spool.epoch != epoch]
    assert sorted(in_new) == sorted([*before, *after])
    assert {each: len(found) for each, found in rows_of(journal, in_new).items() if len(found) != 1} == {}
    books = closed_books(journal)
    assert books["epoch"] != epoch
    assert [gap["reason"] for gap in books["gaps"]] == ["journal_corrupt"]
