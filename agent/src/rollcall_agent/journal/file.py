"""The journal's file: one writer, any number of readers, and what happens when it is not what it should be."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rollcall_agent.journal import schema

SET_ASIDE_KEPT = 3
"""How many corrupt files are kept beside the journal; older ones make room."""

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class JournalError(Exception):
    """The journal can't be used; the text says why and what to do."""


class JournalInUseError(JournalError):
    """Another process writes to it."""


class JournalTooNewError(JournalError):
    """A later release wrote it; it was left untouched."""


def lock(path: Path) -> int:
    """Become the one writer of the journal at `path`; give the descriptor that holds the lock until it is closed.

    Raises JournalInUseError, with the process id of the holder, and JournalError where the lock can't be made. The lock
    is on a file beside the journal, which is renamed when it is corrupt.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        held = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise JournalError(
            f"{path}: can't make its lock {beside.name}: {error.strerror}; name another file with --journal"
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(held, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(held)
        raise JournalInUseError(
            f"{path}: process {holder} writes to this journal; stop it, or name another file with --journal"
        ) from None
    try:
        os.ftruncate(held, 0)
        os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    except OSError:  # a full disk: the lock holds all the same, only the number is missing
        pass
    return held


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is damaged, or no SQLite file at all."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def connect(path: Path, max_bytes: int, now_ns: int) -> sqlite3.Connection:
    """Open the journal at `path` for writing; make it where there is none.

    The write-ahead log is kept within a sixteenth of `max_bytes`, as far as no reader stands still. The lock must
    be held. Raises JournalTooNewError, and JournalError where it is another program's file, both leaving it untouched;
    and sqlite3.DatabaseError (see `is_corrupt`) where it is damaged.
    """
    if path.exists() and path.stat().st_size:
        _probe(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640))
    connection = sqlite3.connect(path, timeout=1, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {max_bytes // 16}")
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute(f"PRAGMA wal_autocheckpoint = {max_bytes // 16 // page}")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            schema.create(connection, now_ns)
        _check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open the journal at `path` for reading, also while somebody writes, nobody does, or nothing can be written.

    Raises JournalError where there is none, or it can't be read.
    """
    if not path.is_file():
        raise JournalError(f"{path}: there is no journal; `rollcall watch` makes one, --journal names another")
    try:
        return _open_readonly(path, "mode=ro")
    except sqlite3.OperationalError:
        # A reader needs the file of shared memory, or must be able to make it: on a read-only mount it can't. Without
        # a log nobody has written since the last orderly end, and the file alone is the journal.
        # https://www.sqlite.org/wal.html#read_only_databases
        if _size(path.with_name(path.name + "-wal")):
            raise JournalError(
                f"{path}: can't be read beside its log {path.name}-wal; copy both to a folder that you may write to"
            ) from None
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{path}: can't be read: {error}") from error
    try:
        return _open_readonly(path, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise JournalError(f"{path}: can't be read: {error}") from error


def set_aside(path: Path, now_ns: int) -> Path:
    """Rename a damaged journal to `<name>.corrupt-<UTC time>`, with its log, and give the new path."""
    moment = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{moment}")
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    kept = sorted(path.parent.glob(f"{path.name}.corrupt-*Z"))
    for old in kept[:-SET_ASIDE_KEPT]:
        old.unlink()
        old.with_name(old.name + "-wal").unlink(missing_ok=True)
    return aside


def _probe(path: Path) -> None:
    """Look at an existing file without changing a byte of it; an opening for writing would at its close."""
    with closing(_open_readonly(path, "mode=ro")) as connection:
        _refuse_foreign(path, connection)


def _open_readonly(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=1, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        _refuse_foreign(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != schema.APPLICATION_ID and not empty:
        raise JournalError(f"{path}: is another program's SQLite file, no journal; name another file with --journal")
    if version > schema.VERSION:
        raise JournalTooNewError(
            f"{path}: its schema is {version}, and this release knows {schema.VERSION}; it was left untouched: "
            "install the newer rollcall, or name another file with --journal"
        )


def _check(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError, as SQLite would, where the file is damaged and no statement has met it yet."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok" or not connection.execute("SELECT 1 FROM journal").fetchone():
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
