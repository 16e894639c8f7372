"""The journal's tables, numbered: `user_version` in the file says which of these it holds."""

from __future__ import annotations

import secrets
import sqlite3

VERSION = 1
"""The newest schema, and the only one so far; what differs from it later migrates in one transaction."""

APPLICATION_ID = 0x526F6C6C
"""`Roll` in ASCII: tells a journal from anybody else's SQLite file."""

_TABLES = """
CREATE TABLE journal (
    epoch TEXT NOT NULL,          -- random, made with the file
    created_ns INTEGER NOT NULL,
    durable_ns INTEGER NOT NULL,  -- wall time of the last commit
    sequence INTEGER NOT NULL,    -- the last one given
    complete_since_ns INTEGER     -- what started earlier may be unknown: not seen, or retired for want of room
);
CREATE TABLE starts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, so that a row retired is not mistaken for another
    identity TEXT NOT NULL UNIQUE,
    container_id TEXT NOT NULL,
    runtime TEXT NOT NULL,
    namespace TEXT,
    pod_uid TEXT,
    nested_below TEXT,
    maker_has_api INTEGER NOT NULL,
    sandbox INTEGER,
    boot_id TEXT NOT NULL,
    cgroup_id INTEGER NOT NULL,  -- unsigned 64 bits as signed
    hierarchy INTEGER NOT NULL,
    origin TEXT NOT NULL,
    read_ns INTEGER NOT NULL,
    attach INTEGER,
    path BLOB NOT NULL,
    path_cut INTEGER NOT NULL,
    leaf BLOB NOT NULL,
    boot_ns INTEGER,
    ctime_ns INTEGER,
    ctime_source TEXT,
    started_ns INTEGER,
    finished_ns INTEGER,
    state TEXT NOT NULL DEFAULT 'pending',
    drop_reason TEXT,
    resolution TEXT,
    sequence INTEGER,
    revision TEXT NOT NULL DEFAULT '0',
    ended_ns INTEGER,
    ended_source TEXT,
    record BLOB  -- zlib over JSON
);
CREATE INDEX starts_container ON starts (container_id);
CREATE INDEX starts_cgroup ON starts (cgroup_id);
CREATE INDEX starts_state ON starts (state, sequence);
CREATE INDEX starts_live ON starts (container_id) WHERE ended_ns IS NULL;
CREATE INDEX starts_late ON starts (state) WHERE revision = 'late';
CREATE INDEX starts_dropped ON starts (drop_reason) WHERE state = 'dropped';
CREATE TABLE counters (  -- the agent's ledger: what has no row, and rows that were retired
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, reason)
) WITHOUT ROWID;
CREATE TABLE attaches (  -- the kernel's ledger
    id INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL,
    collector TEXT NOT NULL,
    number INTEGER NOT NULL,  -- 0: the sum of earlier attaches
    hierarchy INTEGER NOT NULL,
    opened_ns INTEGER NOT NULL,
    closed_ns INTEGER,
    interrupted INTEGER NOT NULL,  -- not read from first to last by one process
    mkdir_seen INTEGER NOT NULL DEFAULT 0,
    mkdir_other_hierarchy INTEGER NOT NULL DEFAULT 0,
    mkdir_never_a_container INTEGER NOT NULL DEFAULT 0,
    mkdir_throttled INTEGER NOT NULL DEFAULT 0,
    mkdir_quiet INTEGER NOT NULL DEFAULT 0,
    mkdir_submitted INTEGER NOT NULL DEFAULT 0,
    mkdir_lost INTEGER NOT NULL DEFAULT 0,
    rmdir_seen INTEGER NOT NULL DEFAULT 0,
    rmdir_other_hierarchy INTEGER NOT NULL DEFAULT 0,
    rmdir_never_a_container INTEGER NOT NULL DEFAULT 0,
    rmdir_throttled INTEGER NOT NULL DEFAULT 0,
    rmdir_quiet INTEGER NOT NULL DEFAULT 0,
    rmdir_submitted INTEGER NOT NULL DEFAULT 0,
    rmdir_lost INTEGER NOT NULL DEFAULT 0,
    recursion_misses INTEGER NOT NULL DEFAULT 0,
    read INTEGER NOT NULL DEFAULT 0,
    end_read INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    bound INTEGER
);
CREATE TABLE history (  -- every start that a sink was handed, whether or not its row in `starts` is still there
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,  -- of the start, also where a late answer took the place of the first
    container_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL,  -- made then; read then, where that is unknown
    namespace TEXT NOT NULL,
    workload TEXT NOT NULL,
    container TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    result TEXT,  -- of the verdict; NULL: no policy was there to judge by
    judged_ns INTEGER,
    judged_by INTEGER NOT NULL DEFAULT 0,  -- the policies' generation
    ended_ns INTEGER,
    ended_source TEXT
);
CREATE INDEX history_at ON history (at_ns);
CREATE INDEX history_container ON history (container_id);
CREATE INDEX history_live ON history (judged_by) WHERE ended_ns IS NULL;
CREATE TABLE history_details (  -- apart, so that listings need not read past them
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL,  -- zlib over JSON
    share BLOB NOT NULL,   -- what was counted for it
    verdict BLOB
);
CREATE TABLE images (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    first_seen TEXT,
    last_seen TEXT,
    record BLOB NOT NULL,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE TABLE tags (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    last_seen TEXT,
    history BLOB NOT NULL,
    PRIMARY KEY (repository, tag)
) WITHOUT ROWID;
CREATE TABLE violations (
    name TEXT PRIMARY KEY,  -- of its key
    state TEXT NOT NULL,
    since TEXT NOT NULL,
    violation BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE members (  -- starts that live and fail
    start TEXT PRIMARY KEY,
    member BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE untold (  -- what is yet to be told of violations, to whom
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver TEXT NOT NULL,
    violation TEXT NOT NULL,
    transition BLOB NOT NULL
);
CREATE INDEX untold_violation ON untold (receiver, violation);
CREATE TABLE policy_files (
    file TEXT PRIMARY KEY,
    text TEXT,    -- the last good one; NULL: there was none
    problem TEXT  -- what is wrong with the newer one that is there now
) WITHOUT ROWID;
CREATE TABLE policies (  -- one row: which policies and exceptions are in force
    generation INTEGER NOT NULL,
    hash TEXT NOT NULL,
    next_expiry_ns INTEGER
);
"""


def create(connection: sqlite3.Connection, now_ns: int) -> None:
    """Make the tables and a new epoch in an empty file, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    epoch = secrets.token_hex(8)
    connection.execute("INSERT INTO journal VALUES (?, ?, ?, 0, NULL)", (epoch, now_ns, now_ns))
    connection.execute("INSERT INTO policies VALUES (0, '', NULL)")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
