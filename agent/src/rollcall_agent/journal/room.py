"""How the journal stays within its size, and what it forgets. Every function runs inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

_BATCH = 64
_FORGET = 1000

_RESERVE = 2048
"""Bytes kept free for the record of each start that is still pending: a usual record, packed, is half of this."""


def used_bytes(connection: sqlite3.Connection, pending: int) -> int:
    """Give the bytes in use in the file, with what its pending starts will need for their records."""
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    return (pages - free) * page + pending * _RESERVE


def make_room(connection: sqlite3.Connection, boot_id: str) -> bool:
    """Retire the oldest settled starts that have ended; returns whether there were any.

    What lives stays, or a listing would report it once more. A listing may show what has ended, too: from here on
    the journal says that it is complete only since the newest of these.
    """
    ended = connection.execute(
        "SELECT id, coalesce(ctime_ns, read_ns) AS since_ns FROM starts "
        "WHERE state IN ('written', 'sandbox', 'dropped') AND (ended_ns IS NOT NULL OR boot_id != ?) "
        "ORDER BY id LIMIT ?",
        (boot_id, _BATCH),
    ).fetchall()
    if not ended:
        return False
    _retire(connection, [row["id"] for row in ended])
    newest = max(row["since_ns"] for row in ended)
    connection.execute("UPDATE journal SET complete_since_ns = max(complete_since_ns, ?)", (newest + 1,))
    return True


def forget_unknown(connection: sqlite3.Connection, boot_id: str, known_ids: Collection[str], older_than_ns: int) -> int:
    """Retire settled starts that ended before a wall-clock time and whose id no runtime knows any more.

    At most 1,000 at once; returns how many.
    """
    gone = connection.execute(
        "SELECT id FROM starts WHERE state IN ('written', 'sandbox', 'dropped') "
        "AND (ended_ns < ? OR boot_id != ? AND read_ns < ?) "
        "AND container_id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
        (older_than_ns, boot_id, older_than_ns, json.dumps(list(known_ids)), _FORGET),
    ).fetchall()
    _retire(connection, [row[0] for row in gone])
    return len(gone)


def _retire(connection: sqlite3.Connection, rows: list[int]) -> None:
    """Delete settled rows; what they counted for moves into the counters, so that the books still close."""
    ids = json.dumps(rows)
    connection.execute(
        "INSERT INTO counters (name, reason, value) "
        "SELECT state, CASE state WHEN 'dropped' THEN drop_reason ELSE '' END AS why, count(*) FROM starts "
        "WHERE id IN (SELECT value FROM json_each(?)) GROUP BY state, why "
        "ON CONFLICT (name, reason) DO UPDATE SET value = value + excluded.value",
        (ids,),
    )
    connection.execute("DELETE FROM starts WHERE id IN (SELECT value FROM json_each(?))", (ids,))
