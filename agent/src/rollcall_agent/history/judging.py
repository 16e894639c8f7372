"""Verdicts and violations, in the journal's file: judged when a start is counted, and again what lives on a change.

Taken in only where there are policies: this brings the judge and the YAML reader into memory. Whatever changes here is
changed inside the caller's transaction; after one that failed, `recall` what is stored.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from rollcall.judge import PolicySet, Verdict, judge
from rollcall.observation import observe
from rollcall.policy.model import Mode
from rollcall.times import rfc3339
from rollcall.violations import (
    Book,
    Change,
    Ended,
    Input,
    Judged,
    Late,
    Member,
    PolicySetChanged,
    Transition,
    Violation,
    judged,
    step,
)
from rollcall.violations import Start as Started
from rollcall_agent.history.counting import Counted, Counting
from rollcall_agent.history.files import Folder, InForce
from rollcall_agent.journal.start import unpack
from rollcall_agent.journal.writer import Journal

MOST_UNTOLD: Final = 1_000
"""Transitions that wait for one receiver; above these no repetition is added, for the next one tells of it as well."""

_BATCH: Final = 100

_encoder: Final = msgspec.json.Encoder()
_verdicts: Final = msgspec.json.Decoder(Verdict)
_violations: Final = msgspec.json.Decoder(Violation)
_members: Final = msgspec.json.Decoder(Member)

log = structlog.get_logger()


class Judging:
    """Judges by the policies in a folder. `receivers` are who is to be told of violations; `woken` when there is more.

    `verdicts` counts what was judged by its result, and `left_out` the repetitions that nobody was told.
    """

    def __init__(  # noqa: PLR0913  # what it needs, and whom it tells
        self,
        journal: Journal,
        counting: Counting,
        folder: Folder,
        *,
        receivers: tuple[str, ...] = (),
        on_verdict: Callable[[Verdict], None] = lambda _: None,
        woken: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._counting = counting
        self._folder = folder
        self._receivers = receivers
        self._on_verdict = on_verdict
        self._woken = woken
        self._in_force = InForce()
        self._good: dict[str, str] = {}
        self._set = PolicySet(())
        self._generation = 0
        self._next_expiry: int | None = None
        self._book = Book()
        self.verdicts: Counter[str] = Counter()
        self.left_out = 0

    @property
    def broken(self) -> dict[str, str]:
        """What is wrong with files of policies, by file."""
        return self._in_force.broken

    # -- what is stored ----------------------------------------------------------------------------------------------

    def recall(self) -> None:
        """Take violations and policies as they are stored; whatever else was in memory goes."""
        self._folder.forget()
        connection = self._journal.connection
        self._book = Book(
            (_violations.decode(row[0]) for row in connection.execute("SELECT violation FROM violations")),
            (_members.decode(row[0]) for row in connection.execute("SELECT member FROM members")),
        )
        rows = connection.execute("SELECT file, text FROM policy_files WHERE text IS NOT NULL").fetchall()
        self._good = {row["file"]: row["text"] for row in rows} or self._good  # a journal begun anew has none
        stored = connection.execute("SELECT * FROM policies").fetchone()
        self._generation, self._next_expiry = stored["generation"], stored["next_expiry_ns"]

    def has_changed(self, now: int) -> bool:
        """Say whether files have changed, or an exception has expired: then what is in force is to be renewed."""
        expired = self._next_expiry is not None and now >= self._next_expiry
        return self._folder.has_changed() or expired

    def renew(self, now: int) -> None:
        """Read the files, and have what lives judged again if something else is in force now."""
        connection = self._journal.connection
        in_force = self._folder.read(self._good)
        stored = connection.execute("SELECT * FROM policies").fetchone()
        expired = stored["next_expiry_ns"] is not None and now >= stored["next_expiry_ns"]
        changed = expired or in_force.hash != stored["hash"]
        self._set = PolicySet(in_force.loaded.policies, in_force.loaded.exceptions)
        self._generation = stored["generation"] + changed
        self._next_expiry = self._set.next_expiry(now)
        connection.execute(
            "UPDATE policies SET generation = ?, hash = ?, next_expiry_ns = ?",
            (self._generation, in_force.hash, self._next_expiry),
        )
        connection.execute("DELETE FROM policy_files")
        connection.executemany(
            "INSERT INTO policy_files VALUES (?, ?, ?)",
            [
                (file, in_force.texts.get(file), in_force.broken.get(file))
                for file in in_force.texts.keys() | in_force.broken.keys()
            ],
        )
        self._say(in_force, now)
        self._in_force, self._good = in_force, dict(in_force.texts)

    def _say(self, in_force: InForce, now: int) -> None:
        for file, problem in in_force.broken.items():
            if self._in_force.broken.get(file) != problem:
                goes_on = "its last good version goes on" if file in in_force.texts else "nothing in it is in force"
                log.error("A file of policies is broken.", problem=problem, so=goes_on)
        for file in self._in_force.broken.keys() - in_force.broken.keys():
            log.warning("A file of policies is right again, or gone.", file=file)
        for warning in in_force.loaded.warnings(now):
            log.warning("An exception is not what it seems.", problem=str(warning))
        if in_force.texts != self._in_force.texts:
            log.info(
                "Policies are in force.",
                policies=len(in_force.loaded.policies),
                exceptions=len(in_force.loaded.exceptions),
            )

    # -- what happens ------------------------------------------------------------------------------------------------

    def take(self, counted: Counted, now: int, *, has_ended: bool) -> Verdict | None:
        """Judge a start that was counted, and return its verdict; of one that was judged before, the verdict it has."""
        if not counted.is_news:
            row = self._journal.connection.execute(
                "SELECT verdict FROM history_details WHERE id = ?", (counted.row,)
            ).fetchone()
            return _verdicts.decode(row["verdict"]) if row["verdict"] is not None else None
        observation = counted.observation
        verdict = judge(observation, self._set, self._counting.ledger(observation), now)
        self._keep(counted.row, verdict, now)
        its = judged(observation, verdict)
        if not counted.is_first:
            self._step(Late(judged=its, ended=has_ended), now)
        elif its.failed:
            self._step(Started(judged=its, ended=has_ended), now)
        return verdict

    def end(self, node: str, start: str, now: int) -> None:
        """Note that a start has ended."""
        if start in self._book.members.get(node, {}):
            self._step(Ended(node=node, start=start), now)

    def judge_again(self, now: int) -> bool:
        """Judge some of what lives and was judged by other policies than those in force; say whether there was any."""
        rows = self._journal.connection.execute(
            "SELECT id, record FROM history JOIN history_details USING (id) "
            "WHERE ended_ns IS NULL AND judged_by < ? ORDER BY judged_by LIMIT ?",
            (self._generation, _BATCH),
        ).fetchall()
        if rows:
            again = tuple(self._again(row, now) for row in rows)
            policies = frozenset(policy.name for policy in self._set.policies)
            self._step(PolicySetChanged(judged=again, policies=policies), now)
        return bool(rows)

    def _again(self, row: sqlite3.Row, now: int) -> Judged:
        observation = observe(unpack(row["record"]))
        verdict = judge(observation, self._set, self._counting.ledger(observation), now)
        self._keep(row["id"], verdict, now)
        return judged(observation, verdict)

    def _keep(self, row: int, verdict: Verdict, now: int) -> None:
        connection = self._journal.connection
        connection.execute(
            "UPDATE history SET result = ?, judged_ns = ?, judged_by = ? WHERE id = ?",
            (verdict.result, now, self._generation, row),
        )
        connection.execute("UPDATE history_details SET verdict = ? WHERE id = ?", (_encoder.encode(verdict), row))
        self.verdicts[verdict.result] += 1
        self._on_verdict(verdict)

    def _step(self, happened: Input, now: int) -> None:
        """Make a step, and write down what it changes and who is to be told."""
        made = step(self._book, happened, rfc3339(now))
        connection = self._journal.connection
        for key, violation in made.violations.items():
            if violation is None:
                connection.execute("DELETE FROM violations WHERE name = ?", (key.name,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO violations VALUES (?, ?, ?, ?)",
                    (key.name, violation.state, violation.since, _encoder.encode(violation)),
                )
        for (_, start), member in made.members.items():
            if member is None:
                connection.execute("DELETE FROM members WHERE start = ?", (start,))
            else:
                connection.execute("INSERT OR REPLACE INTO members VALUES (?, ?)", (start, _encoder.encode(member)))
        for transition in made.transitions:
            if transition.violation.mode is Mode.ALERT:
                for receiver in self._receivers:
                    self._have_told(receiver, transition)
        self._book.accept(made)
        if made.transitions:
            self._woken()

    def _have_told(self, receiver: str, transition: Transition) -> None:
        connection = self._journal.connection
        if transition.change is Change.REPEATED:
            waiting = connection.execute("SELECT count(*) FROM untold WHERE receiver = ?", (receiver,)).fetchone()[0]
            if waiting >= MOST_UNTOLD:
                self.left_out += 1
                return
        connection.execute(
            "INSERT INTO untold (receiver, violation, transition) VALUES (?, ?, ?)",
            (receiver, transition.violation.key.name, _encoder.encode(transition)),
        )
