"""The kernel's side in the journal: attaches of the probe, and gaps. All runs inside the caller's transaction.

Both are bounded: older attaches are summed up, so that the books still close, and gaps are joined, so that none is
hidden.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from rollcall_agent.collect.event import KernelLedger
from rollcall_agent.journal.reader import WAYS

Probe = tuple[str, int, int]
"""Name of the collector, number of the attach, id of the hierarchy that is followed."""

_KEPT = 64
_GAPS_KEPT = 256

_LEDGER = (*(f"{kind}_{name}" for kind in ("mkdir", "rmdir") for name in WAYS), "recursion_misses")
_SUMMED = (*_LEDGER, "read", "end_read")

_STORE = f"UPDATE attaches SET {', '.join(f'{name} = :{name}' for name in _LEDGER)} WHERE id = :id"  # noqa: S608  # our own names
_SUM_UP = (
    f"UPDATE attaches SET {', '.join(f'{name} = {name} + :{name}' for name in _SUMMED)}, "  # noqa: S608  # our own names
    "closed_ns = max(closed_ns, :closed_ns) WHERE id = :id"
)


def open_attach(connection: sqlite3.Connection, boot_id: str, probe: Probe, at_ns: int, *, taken_over: bool) -> int:
    """Give the row of an attach: a new one, or where it was taken over the one that is still open.

    Where none is open, nobody has watched since the last one was closed: that is a gap.
    """
    collector, number, hierarchy = probe
    if taken_over:
        known = connection.execute(
            "UPDATE attaches SET interrupted = 1 "
            "WHERE boot_id = ? AND collector = ? AND number = ? AND closed_ns IS NULL RETURNING id",
            (boot_id, collector, number),
        ).fetchone()
        if known:
            return int(known[0])
    _sum_up(connection)
    last = connection.execute("SELECT max(closed_ns), count(*) - count(closed_ns) FROM attaches").fetchone()
    if last[0] is not None and not last[1]:
        add_gap(connection, last[0], at_ns, "stopped", None)
    connection.execute("UPDATE journal SET complete_since_ns = coalesce(complete_since_ns, ?)", (at_ns,))
    made = connection.execute(
        "INSERT INTO attaches (boot_id, collector, number, hierarchy, opened_ns, interrupted) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (boot_id, collector, number, hierarchy, at_ns, taken_over),
    )
    return int(made.lastrowid or 0)


def store(connection: sqlite3.Connection, row: int, ledger: KernelLedger) -> None:
    """Store the kernel's counters as they are now."""
    values = {"id": row, "recursion_misses": ledger.recursion_misses}
    for name in WAYS:
        values[f"mkdir_{name}"] = getattr(ledger.mkdirs, name)
        values[f"rmdir_{name}"] = getattr(ledger.rmdirs, name)
    connection.execute(_STORE, values)


def close_attach(connection: sqlite3.Connection, row: int, at_ns: int) -> None:
    """Close an attach that was read to its end."""
    connection.execute("UPDATE attaches SET closed_ns = ? WHERE id = ?", (at_ns, row))


def close_orphans(connection: sqlite3.Connection, at_ns: int, keep: Collection[int]) -> int:
    """Close every open attach but the rows in `keep`: their readers are gone. Returns how many there were."""
    return connection.execute(
        "UPDATE attaches SET interrupted = 1, closed_ns = ? "
        "WHERE closed_ns IS NULL AND id NOT IN (SELECT value FROM json_each(?))",
        (at_ns, json.dumps(list(keep))),
    ).rowcount


def add_gap(connection: sqlite3.Connection, from_ns: int, to_ns: int, reason: str, bound: int | None) -> None:
    """Name a gap; where there are too many, the oldest two become one that spans both."""
    connection.execute(
        "INSERT INTO gaps (from_ns, to_ns, reason, bound) VALUES (?, ?, ?, ?)", (from_ns, to_ns, reason, bound)
    )
    gaps = connection.execute("SELECT * FROM gaps ORDER BY from_ns, id").fetchall()
    if len(gaps) <= _GAPS_KEPT:
        return
    first, second = gaps[:2]
    bounds = first["bound"], second["bound"]
    connection.execute(
        "UPDATE gaps SET to_ns = ?, reason = ?, bound = ? WHERE id = ?",
        (
            max(first["to_ns"], second["to_ns"]),
            first["reason"] if first["reason"] == second["reason"] else "several",
            None if None in bounds else sum(bounds),
            first["id"],
        ),
    )
    connection.execute("DELETE FROM gaps WHERE id = ?", (second["id"],))


def _sum_up(connection: sqlite3.Connection) -> None:
    """Keep the newest closed attaches apart; the rest becomes one row of number 0 for each collector and kind."""
    old = connection.execute(
        "SELECT * FROM attaches WHERE closed_ns IS NOT NULL AND number != 0 ORDER BY id DESC LIMIT -1 OFFSET ?",
        (_KEPT,),
    ).fetchall()
    for row in old:
        total = connection.execute(
            "SELECT id FROM attaches WHERE number = 0 AND collector = ? AND interrupted = ?",
            (row["collector"], row["interrupted"]),
        ).fetchone()
        if total is None:
            connection.execute("UPDATE attaches SET number = 0 WHERE id = ?", (row["id"],))
            continue
        connection.execute(_SUM_UP, {name: row[name] for name in (*_SUMMED, "closed_ns")} | {"id": total["id"]})
        connection.execute("DELETE FROM attaches WHERE id = ?", (row["id"],))
