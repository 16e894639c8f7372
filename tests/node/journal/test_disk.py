"""The journal on real file systems: one that is full, one that is mounted read-only. Needs root, to mount them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.record import Origin
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.journal import Journal, JournalError, NotCommittedError, Start, open_journal, open_reader


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "rollcall-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def add(journal: Journal, numbers: range) -> None:
    journal.count("read", len(numbers), attach=1)
    for number in numbers:
        journal.add(
            Start(
                identity=f"identity{number}",
                candidate=ContainerCandidate(container_id=f"{number:064x}", runtime="containerd"),
                boot_id="b",
                cgroup_id=number,
                hierarchy=0,
                origin=Origin.KERNEL,
                read_ns=number,
                attach=1,
                path=os.urandom(500),
            )
        )


def test_a_full_disk_is_survived_and_what_was_counted_comes_out_in_the_end(small: Path) -> None:
    path = small / "journal.db"
    with open_journal(path, boot_id="b") as journal:
        with journal.transaction():
            journal.open_attach("core", 1, 0, 1)
        ballast = small / "ballast"
        ballast.write_bytes(bytes(300_000))
        committed = forfeited = 0
        reasons = set()
        for group in range(100):
            numbers = range(group * 50, group * 50 + 50)
            try:
                with journal.transaction():
                    add(journal, numbers)
                committed += 50
            except NotCommittedError as failure:
                reasons.add(failure.reason)
                with journal.forfeit(failure.reason):
                    add(journal, numbers)
                forfeited += 50
            with open_reader(path) as reader:  # whoever reads meanwhile sees books that close
                assert reader.books().closed
                assert reader.books().agent.pending == committed
        assert committed
        assert forfeited
        assert reasons <= {"disk_full", "disk_error"}
        ballast.unlink()
        with journal.transaction():
            add(journal, range(100_000, 100_001))
        books = journal.books()
    assert books.closed
    assert books.agent.read == committed + forfeited + 1
    assert books.agent.pending == committed + 1
    assert sum(books.agent.dropped.values()) == forfeited
    with open_journal(path, boot_id="b") as journal:
        assert journal.set_aside is None
        assert journal.books() == books


def test_a_disk_that_was_full_from_the_first_says_so(small: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (small / "ballast").write_bytes(bytes(2 << 20))
    with pytest.raises(JournalError, match="can't"):
        open_journal(small / "journal.db", boot_id="b")


@pytest.mark.parametrize("end", ["in order", "killed", "killed, and its shared memory lost"])
def test_a_reader_on_a_read_only_mount(small: Path, tmp_path: Path, end: str) -> None:
    writing = tmp_path / "journal.db"
    with open_journal(writing, boot_id="b") as journal:
        with journal.transaction():
            journal.open_attach("core", 1, 0, 1)
            add(journal, range(10))
        if end != "in order":
            shutil.copytree(tmp_path, small / "copy", ignore=shutil.ignore_patterns("small"))
    if end == "in order":
        (small / "copy").mkdir()
        shutil.copy(writing, small / "copy")
    if end == "killed, and its shared memory lost":
        (small / "copy" / "journal.db-shm").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    if end == "killed, and its shared memory lost":
        with pytest.raises(JournalError, match=r"beside its log journal.db-wal; copy both"):
            open_reader(small / "copy" / "journal.db")
        return
    with open_reader(small / "copy" / "journal.db") as reader:
        assert reader.books().agent.pending == 10
        assert reader.books().closed
