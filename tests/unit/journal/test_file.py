"""The journal's file: one writer, many readers; damaged, foreign, too new; killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollcall_agent.journal import (
    Journal,
    JournalCorruptError,
    JournalError,
    JournalInUseError,
    JournalTooNewError,
    Start,
    open_journal,
    open_reader,
)
from rollcall_agent.journal import file as journal_file

Starts = Callable[..., Start]


def add(journal: Journal, *starts: Start) -> None:
    with journal.transaction():
        for start in starts:
            journal.count("read", attach=1)
            journal.add(start)


def test_a_second_writer_is_refused_and_told_by_whom(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(JournalInUseError, match=rf"journal.db: process {os.getpid()} writes to this journal"):
        open_journal(tmp_path / "journal.db", boot_id="b")
    journal.close()
    open_journal(tmp_path / "journal.db", boot_id="b").close()


def test_a_reader_sees_each_commit_beside_a_writer(journal: Journal, tmp_path: Path, make_start: Starts) -> None:
    with open_reader(tmp_path / "journal.db") as reader:
        assert reader.books().agent.pending == 0
        with journal.transaction():
            journal.count("read", attach=1)
            journal.add(make_start(1))
            assert reader.books().agent.read == 0
        assert reader.books() == journal.books()
        assert reader.books().agent.pending == 1


def test_a_reader_reads_what_nobody_writes(journal: Journal, tmp_path: Path, make_start: Starts) -> None:
    add(journal, make_start(1))
    books = journal.books()
    journal.close()
    with open_reader(tmp_path / "journal.db") as reader:
        assert reader.books() == books
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM starts")


def test_where_there_is_no_journal_a_reader_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        open_reader(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_schema_is_refused_untouched(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalTooNewError, match="its schema is 2, and this release knows 1"):
        open_journal(path, boot_id="b")
    with pytest.raises(JournalTooNewError, match="its schema is 2, and this release knows 1"):
        open_reader(path)
    assert path.read_bytes() == before


def test_another_programs_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another program's SQLite file"):
        open_journal(path, boot_id="b")
    with pytest.raises(JournalError, match="another program's SQLite file"):
        open_reader(path)
    assert path.read_bytes() == before


def test_a_journal_of_the_first_schema_is_read_on(open_it: Callable[..., Journal], tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent.parent / "data" / "journal-v1.db", tmp_path / "journal.db")
    journal = open_it()
    assert journal.set_aside is None
    assert journal.epoch == "00112233445566aa"
    agent = journal.books().agent
    assert (agent.read, agent.not_a_root, agent.pending, agent.ready, agent.written) == (5, {"conmon": 1}, 1, 1, 1)
    assert agent.dropped == {"gone": 1}
    assert journal.books().closed
    (ready,) = journal.unsettled()
    assert ready.record is not None
    assert ready.record.image.requested == "registry.example.com/app:1"


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"no SQLite file at all")


def cut_tail(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def zero_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def zero_one_page(path: Path) -> None:
    """Damage that only a look at the whole file finds: a leaf of the starts."""
    whole = path.read_bytes()
    page = whole.index(b"/default/") // 4096 * 4096
    with path.open("r+b") as file:
        file.seek(page)
        file.write(bytes(4096))


def no_epoch(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM journal")
    connection.close()


@pytest.mark.parametrize("damage", [damage_header, cut_tail, zero_pages, zero_one_page, scribble, no_epoch])
def test_a_damaged_journal_is_set_aside_and_a_new_epoch_begins(
    open_it: Callable[..., Journal],
    journal: Journal,
    tmp_path: Path,
    make_start: Starts,
    damage: Callable[[Path], None],
) -> None:
    add(journal, *(make_start(number) for number in range(50)))
    epoch = journal.epoch
    journal.close()
    damage(tmp_path / "journal.db")
    damaged = (tmp_path / "journal.db").read_bytes()
    journal = open_it()
    assert journal.set_aside is not None
    assert journal.set_aside.name == "journal.db.corrupt-20231114T221320.000000Z"
    assert journal.set_aside.read_bytes() == damaged
    assert journal.epoch != epoch
    assert [gap.reason for gap in journal.books().gaps] == ["journal_corrupt"]
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1, taken_over=True)
    add(journal, make_start(1))
    assert journal.books().closed


def test_numbers_of_rows_go_on_in_a_renewed_journal(
    open_it: Callable[..., Journal], journal: Journal, make_start: Starts
) -> None:
    with journal.transaction():
        rows = [journal.add(make_start(number)) for number in range(3)]
    journal.close()
    reopened = open_it()
    reopened.renew()
    with reopened.transaction():
        reopened.open_attach("core", 1, 0, 1)
        new = reopened.add(make_start(0))
    assert new is not None
    assert new > max(row or 0 for row in rows)
    assert [reopened.get(row or 0) for row in rows] == [None] * 3


def test_damage_met_in_use_is_said_and_renewing_goes_on(journal: Journal, tmp_path: Path, make_start: Starts) -> None:
    add(journal, *(make_start(number) for number in range(500)))
    epoch = journal.epoch
    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal._connection.execute("PRAGMA cache_size = 0")
    zero_pages(tmp_path / "journal.db")
    journal._connection.execute("PRAGMA shrink_memory")
    with pytest.raises(JournalCorruptError, match="damaged"):
        add(journal, *(make_start(number) for number in range(500, 1000)))
    with pytest.raises(JournalCorruptError):
        journal.pending()
    journal.renew()
    assert journal.set_aside is not None
    assert journal.epoch != epoch
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1)
    assert journal.books().kernel[0].interrupted
    add(journal, make_start(1))
    assert journal.books().agent.pending == 1
    assert journal.books().closed
    with pytest.raises(JournalInUseError):
        open_journal(tmp_path / "journal.db", boot_id="b")


def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for second in range(5):
        path.write_bytes(b"x")
        path.with_name("journal.db-wal").write_bytes(b"y")
        journal_file.set_aside(path, second * 1_000_000_000)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"journal.db.corrupt-19700101T00000{second}.000000Z{suffix}" for second in (2, 3, 4) for suffix in ("", "-wal")
    ]


@pytest.mark.parametrize("tail", [b"", b"\x00" * 4000, os.urandom(10_000)])
def test_a_torn_log_loses_nothing_that_was_committed(
    open_it: Callable[..., Journal], journal: Journal, tmp_path: Path, make_start: Starts, tail: bytes
) -> None:
    for number in range(20):
        add(journal, make_start(number))
    books = journal.books()
    torn = tmp_path / "torn"
    torn.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / name, torn)
    log = torn / "journal.db-wal"
    whole = log.read_bytes()
    log.write_bytes(whole + tail)
    journal = open_it(path=torn / "journal.db")
    assert journal.set_aside is None
    assert journal.books() == books
    journal.close()
    # A log cut in the middle of its last commit: everything before that commit is there.
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / name, torn)
    log.write_bytes(whole[:-5000])
    journal = open_it(path=torn / "journal.db")
    assert 0 < journal.books().agent.read < 20
    assert journal.books().closed


CHILD = """
import sys, os, time
from pathlib import Path
from rollcall.record import Origin
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.journal import Start, open_journal
journal = open_journal(Path(sys.argv[1]), boot_id="b")
with journal.transaction():
    journal.open_attach("core", journal.next_attach_number(), 0, 1)
    journal.close_lost_attaches(2)
attach = journal.next_attach_number() - 1
for group in range(100000):
    with journal.transaction():
        for place in range(3):
            journal.count("read", attach=attach)
            journal.add(Start(identity=f"{sys.argv[2]}-{group}-{place}", boot_id="b", cgroup_id=1, hierarchy=0,
                candidate=ContainerCandidate(container_id="c", runtime="r"), origin=Origin.KERNEL, read_ns=group))
    os.write(1, f"{group}\\n".encode())
"""


def test_what_was_acknowledged_survives_kill_9_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    acknowledged: set[str] = set()
    for life in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(life)], stdout=subprocess.PIPE, bufsize=0
        ) as child:
            assert child.stdout is not None
            heard = b""
            while heard.count(b"\n") < 10 + 7 * life:
                heard += child.stdout.read(64) or pytest.fail("the child ended")
            child.send_signal(signal.SIGKILL)
            heard += child.stdout.read()
        acknowledged |= {f"{life}-{group}-{place}" for group in heard.decode().split() for place in range(3)}
        with open_reader(path) as reader:
            found = [start.identity for start in reader.events()]
            assert reader.books().closed
        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
        # At most the one group that was committed and not yet acknowledged, in each life.
        assert len(found) - len(acknowledged) <= 3 * (life + 1)
    with open_reader(path) as reader:
        assert [gap.reason for gap in reader.books().gaps] == ["attach_lost"] * 4
