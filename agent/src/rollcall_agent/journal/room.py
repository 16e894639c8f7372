"""How the journal and the history in it stay within their size, and what they forget.

Every function runs inside the caller's transaction.
"""

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
    """Forget the oldest of what can be forgotten; returns whether there was any.

    First what is history alone, then settled starts that have ended with theirs, and only then images and tags.
    """
    return _forget_history(connection) or _retire_ended(connection, boot_id) or _forget_images(connection)


def forget_before(connection: sqlite3.Connection, before_ns: int) -> int:
    """Forget the history of starts made before a wall-clock time, as far as the journal knows them no more.

    At most 1,000 at once; returns how many.
    """
    old = connection.execute(
        "SELECT id FROM history WHERE at_ns < ? AND ended_ns IS NOT NULL "
        "AND identity NOT IN (SELECT identity FROM starts) ORDER BY at_ns LIMIT ?",
        (before_ns, _FORGET),
    ).fetchall()
    _delete_history(connection, [row[0] for row in old])
    return len(old)


def _forget_history(connection: sqlite3.Connection) -> bool:
    old = connection.execute(
        "SELECT id FROM (SELECT id, identity FROM history WHERE ended_ns IS NOT NULL ORDER BY id LIMIT ?) "
        "WHERE identity NOT IN (SELECT identity FROM starts) LIMIT ?",
        (4 * _BATCH, _BATCH),
    ).fetchall()
    _delete_history(connection, [row[0] for row in old])
    return bool(old)


def _delete_history(connection: sqlite3.Connection, rows: list[int]) -> None:
    ids = json.dumps(rows)
    connection.execute("DELETE FROM history_details WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    connection.execute("DELETE FROM history WHERE id IN (SELECT value FROM json_each(?))", (ids,))


def _forget_images(connection: sqlite3.Connection) -> bool:
    """Forget the images and tags that were not seen for the longest; one that is seen again counts from 0."""
    before = connection.total_changes
    connection.execute(
        "DELETE FROM images WHERE (repository, digest) IN "
        "(SELECT repository, digest FROM images ORDER BY last_seen LIMIT ?)",
        (_BATCH,),
    )
    connection.execute(
        "DELETE FROM tags WHERE (repository, tag) IN (SELECT repository, tag FROM tags ORDER BY last_seen LIMIT ?)",
        (_BATCH,),
    )
    return connection.total_changes != before


def _retire_ended(connection: sqlite3.Connection, boot_id: str) -> bool:
    """Retire the oldest settled starts that have ended, with their history; returns whether there were any.

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
    ids = json.dumps([row["id"] for row in ended])
    history = connection.execute(
        "SELECT id FROM history WHERE identity IN "
        "(SELECT identity FROM starts WHERE id IN (SELECT value FROM json_each(?)))",
        (ids,),
    ).fetchall()
    _delete_history(connection, [row[0] for row in history])
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
