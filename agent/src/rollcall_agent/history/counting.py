"""What started, in the journal's file: each start once, its image's record, and what its tag led to.

All runs inside the transaction that gives a start its sequence: counted is exactly what a sink was handed.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from rollcall.fold import ImageRecord, RecordKey, Share, fold, is_news, moves, share
from rollcall.ledger import Ledger, TagHistory, record, tag_of
from rollcall.observation import Observation, observe
from rollcall.record import ContainerCreate
from rollcall.text import shortened
from rollcall.times import nanoseconds
from rollcall_agent.journal.start import Start, pack
from rollcall_agent.journal.writer import Journal

_LONGEST_NAME: Final = 253

_INSERT: Final = (
    "INSERT INTO history (identity, container_id, at_ns, namespace, workload, container, repository, digest) "
    "VALUES (:identity, :container_id, :at_ns, :namespace, :workload, :container, :repository, :digest)"
)
_UPDATE: Final = (
    "UPDATE history SET at_ns = :at_ns, namespace = :namespace, workload = :workload, container = :container, "
    "repository = :repository, digest = :digest, result = NULL, judged_ns = NULL, judged_by = 0 WHERE id = :id"
)

_encoder: Final = msgspec.json.Encoder()
_images: Final = msgspec.json.Decoder(ImageRecord)
_tags: Final = msgspec.json.Decoder(TagHistory)
_shares: Final = msgspec.json.Decoder(Share)


class Counted(Struct, frozen=True, kw_only=True):
    """A start as it was counted: its row, and whether this answer is the first one or takes the place of another.

    `is_news` is false where it was counted before, by this answer or by a better one.
    """

    row: int
    observation: Observation
    is_news: bool
    is_first: bool


class Counting:
    """Counts starts. To be called inside transactions of the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def count(self, start: Start, placed: ContainerCreate) -> Counted:
        """Count a start that a sink is being handed as `placed`; counting it again changes nothing."""
        observation = observe(placed)
        new = share(observation)
        known = self._journal.connection.execute(
            "SELECT id, share FROM history JOIN history_details USING (id) WHERE identity = ?", (new.start,)
        ).fetchone()
        counted = _shares.decode(known["share"]) if known is not None else None
        for each, starts in moves(new, counted):
            self._fold(each, starts)
        news = is_news(new, counted)
        row = self._write(start, placed, new, known["id"] if known is not None else None) if news else known["id"]
        if news:
            self._record_tag(observation)
        return Counted(row=row, observation=observation, is_news=news, is_first=counted is None)

    def ledger(self, observation: Observation) -> Ledger:
        """Return the tag ledger as a start meets it."""
        tag = tag_of(observation)
        history = self._history(tag) if tag is not None else None
        return Ledger(
            observation.supersedes or observation.identity,
            {tag: history} if tag is not None and history is not None else {},
        )

    def _write(self, start: Start, placed: ContainerCreate, new: Share, row: int | None) -> int:
        columns = {
            "identity": new.start,
            "container_id": placed.container_id,
            "at_ns": nanoseconds(placed.ctime) if placed.ctime is not None else start.read_ns,
            "namespace": new.place.namespace,
            "workload": new.place.workload,
            "container": shortened(placed.container.name or "", _LONGEST_NAME),
            "repository": new.repository,
            "digest": new.digest,
        }
        if row is None:
            row = int(self._journal.connection.execute(_INSERT, columns).lastrowid or 0)
        else:
            self._journal.connection.execute(_UPDATE, columns | {"id": row})
        self._journal.connection.execute(
            "INSERT INTO history_details (id, record, share) VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET record = excluded.record, share = excluded.share, verdict = NULL",
            (row, pack(placed), _encoder.encode(new)),
        )
        return row

    def _fold(self, new: Share, starts: int) -> None:
        known = self._image(new.key)
        image = fold(known, new, starts)
        self._journal.connection.execute(
            "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)",
            (image.repository, image.digest, image.first_seen, image.last_seen, _encoder.encode(image)),
        )

    def _image(self, key: RecordKey) -> ImageRecord | None:
        row = self._journal.connection.execute(
            "SELECT record FROM images WHERE repository = ? AND digest = ?", tuple(key)
        ).fetchone()
        return _images.decode(row["record"]) if row is not None else None

    def _record_tag(self, observation: Observation) -> None:
        tag = tag_of(observation)
        if tag is None:
            return
        history = record(self._history(tag), observation)
        if history is not None:
            last_seen = max((each.last_seen or "" for each in history.digests), default="")
            self._journal.connection.execute(
                "INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)", (*tag, last_seen, _encoder.encode(history))
            )

    def _history(self, tag: tuple[str, str]) -> TagHistory | None:
        row = self._journal.connection.execute(
            "SELECT history FROM tags WHERE repository = ? AND tag = ?", tag
        ).fetchone()
        return _tags.decode(row["history"]) if row is not None else None
