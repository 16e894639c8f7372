"""What can be asked of a machine's history, beside whoever writes it: images, violations, starts with their verdicts.

Where a machine was never watched with policies, there are no verdicts and no violations.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rollcall.fold import ImageRecord
from rollcall.judge.verdict import Result, Verdict
from rollcall.ledger import TagHistory
from rollcall.record import ContainerCreate, Ended, TimeSource
from rollcall.times import rfc3339
from rollcall.violations import State, Violation
from rollcall_agent.journal.file import connect_readonly
from rollcall_agent.journal.reader import DEFAULT_PATH
from rollcall_agent.journal.start import unpack

_PAGE: Final = 256
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")

_images: Final = msgspec.json.Decoder(ImageRecord)
_tags: Final = msgspec.json.Decoder(TagHistory)
_verdicts: Final = msgspec.json.Decoder(Verdict)
_violations: Final = msgspec.json.Decoder(Violation)


class Kept(Struct, frozen=True, kw_only=True):
    """One start as the history keeps it.

    `identity` is the start's, also where the record is a late answer with an identity of its own. `at_ns` and
    `judged_ns` are wall-clock ns: made (read, where that is unknown), and judged last. `verdict` is None where no
    policy was there to judge by. The record tells its end, as far as one is known.
    """

    identity: str
    at_ns: int
    record: ContainerCreate
    verdict: Verdict | None
    judged_ns: int | None


class HistoryReader:
    """A history, opened for reading. Every method raises sqlite3.DatabaseError where the file can't be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read through a connection whose rows are sqlite3.Row."""
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def image_records(
        self,
        *,
        repository: str | None = None,
        digest: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[ImageRecord]:
        """Give the images, by repository and digest: of one repository (`host/path`) or digest, if that is asked for.

        `since` and `until` (RFC 3339 in UTC with microseconds, as `rollcall.times.rfc3339` writes it; the second one
        excluded) keep those that were seen in that time; one of which no time is known is always among them.
        """
        conditions = {
            "repository = ?": repository,
            "digest = ?": digest,
            "coalesce(last_seen >= ?, 1)": since,
            "coalesce(first_seen < ?, 1)": until,
        }
        rows = self._select("SELECT record FROM images", conditions, "ORDER BY repository, digest")
        return [_images.decode(row["record"]) for row in rows]

    def tag_histories(self, *, repository: str | None = None) -> list[TagHistory]:
        """Give what tags led to, by repository (`host/path`) and tag."""
        rows = self._select("SELECT history FROM tags", {"repository = ?": repository}, "ORDER BY repository, tag")
        return [_tags.decode(row["history"]) for row in rows]

    def violations(
        self,
        *,
        states: Collection[State] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> list[Violation]:
        """Give the violations, those whose state changed last first.

        `states` are those that are asked for, all unless said. `since` and `until` (as of `image_records`) keep those
        that were open or over in that time: whose last start failed then or later, and whose first one before.
        """
        rows = self._connection.execute("SELECT state, violation FROM violations ORDER BY since DESC, name").fetchall()
        found = (_violations.decode(row["violation"]) for row in rows if not states or State(row["state"]) in states)
        return [
            each
            for each in found
            if (since is None or each.state is not State.OVER or each.since >= since)
            and (until is None or (each.first_seen or each.since) < until)
        ]

    def broken_policies(self) -> dict[str, str]:
        """Give what is wrong with files of policies, by file; their last good version goes on, if there was one."""
        rows = self._connection.execute("SELECT file, problem FROM policy_files WHERE problem IS NOT NULL").fetchall()
        return {row["file"]: row["problem"] for row in rows}

    def starts(  # noqa: PLR0913  # one argument a filter
        self,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
        namespace: str | None = None,
        workload: str | None = None,
        repository: str | None = None,
        digest: str | None = None,
        results: Collection[Result] = (),
        newest_first: bool = True,
        limit: int | None = None,
    ) -> Iterator[Kept]:
        """Iterate starts by the time that they were made.

        `until_ns` is excluded. `namespace` is empty outside Kubernetes, `workload` is `kind/name`, `repository` is
        `host/path`; `digest` is the one that the start is counted under. `results` are those of verdicts.
        """
        conditions: dict[str, str | int | None] = {
            "at_ns >= ?": since_ns,
            "at_ns < ?": until_ns,
            "namespace = ?": namespace,
            "workload = ?": workload,
            "repository = ?": repository,
            "digest = ?": digest,
            "result IN (SELECT value FROM json_each(?))": msgspec.json.encode(list(results)).decode()
            if results
            else None,
        }
        order = "DESC" if newest_first else "ASC"
        end = f"ORDER BY at_ns {order}, id {order}" + (f" LIMIT {limit:d}" if limit is not None else "")
        found = [row["id"] for row in self._select("SELECT id FROM history", conditions, end)]
        for at in range(0, len(found), _PAGE):  # a snapshot a page: a slow reader must not keep the log from being used
            page = found[at : at + _PAGE]
            rows = {row["id"]: row for row in self._kept("id IN (SELECT value FROM json_each(?))", str(page))}
            yield from (_kept(rows[number]) for number in page if number in rows)

    def find(self, beginning: str) -> list[Kept]:
        """Give the starts whose identity or container id begins so (or is so), the newest first; at most 256."""
        if not _PREFIX.fullmatch(beginning):
            return []
        after = beginning + "\U0010ffff"
        rows = self._kept(
            "(identity >= ? AND identity < ?) OR (container_id >= ? AND container_id < ?)",
            *(beginning, after, beginning, after),
            end=f"ORDER BY at_ns DESC, id DESC LIMIT {_PAGE}",
        )
        return [_kept(row) for row in rows]

    def _kept(self, condition: str, *arguments: str, end: str = "") -> list[sqlite3.Row]:
        return self._connection.execute(
            f"SELECT * FROM (SELECT * FROM history WHERE {condition} {end}) JOIN history_details USING (id)",  # noqa: S608  # our own texts
            arguments,
        ).fetchall()

    def _select(self, what: str, conditions: Mapping[str, str | int | None], end: str) -> list[sqlite3.Row]:
        """Select by those conditions that have a value."""
        asked = {text: value for text, value in conditions.items() if value is not None}
        where = f" WHERE {' AND '.join(asked)}" if asked else ""
        return self._connection.execute(f"{what}{where} {end}", tuple(asked.values())).fetchall()


def open_history(path: Path = DEFAULT_PATH) -> HistoryReader:
    """Open the history in the journal at `path`, beside any writer. Raises JournalError where that can't be."""
    return HistoryReader(connect_readonly(path))


def _kept(row: sqlite3.Row) -> Kept:
    record = unpack(row["record"])
    if row["ended_ns"] is not None and row["ended_source"] is not None:
        record = replace(record, ended=Ended(at=rfc3339(row["ended_ns"]), source=TimeSource(row["ended_source"])))
    return Kept(
        identity=row["identity"],
        at_ns=row["at_ns"],
        record=record,
        verdict=None if row["verdict"] is None else _verdicts.decode(row["verdict"]),
        judged_ns=row["judged_ns"],
    )
