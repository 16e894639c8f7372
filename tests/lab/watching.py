"""Runs the real command `rollcall watch`, reads what it prints, and asks its journal and its books."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from lab.waiting import wait_until
from rollcall.record import ContainerCreate
from rollcall_agent.journal.file import JournalError
from rollcall_agent.journal.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rollcall_agent.journal.start import Start

ROLLCALL: Final = str(Path(sys.executable).with_name("rollcall"))
DEADLINE_S: Final = 60.0

T = TypeVar("T")


class Watch:
    """A `rollcall watch` that runs. Its standard output is a pipe that is read whenever something is waited for."""

    def __init__(
        self,
        journal: Path,
        *options: str,
        folder: Path | None = None,
        through: Sequence[str] = (),
    ) -> None:
        """Start it; `folder` is for its standard error, by default the journal's; `through` is a command to run it."""
        self.journal = journal
        self.begun_ns = time.time_ns()
        self._complaints = (folder or journal.parent) / f"watch-{self.begun_ns}.log"
        command = [*through, ROLLCALL, "watch", "--journal", str(journal), *options]
        with self._complaints.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"ROLLCALL_LOG": "info"},
            )
        assert self._process.stdout is not None
        self.stdout = self._process.stdout.fileno()
        os.set_blocking(self.stdout, False)
        self._rest = b""
        self.lines: list[bytes] = []
        self.reads = True
        self.killed_ns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """What it wrote to standard error."""
        return self._complaints.read_text(errors="replace")

    def read(self) -> list[ContainerCreate]:
        """Return all records printed so far, in order; every line must be one."""
        self.take()
        return [_decoder.decode(line) for line in self.lines]

    def take(self) -> None:
        """Take all that was printed so far into `lines`."""
        while self.reads:
            try:
                piece = os.read(self.stdout, 1 << 16)
            except BlockingIOError:
                break
            if not piece:
                break
            *whole, self._rest = (self._rest + piece).split(b"\n")
            self.lines += whole

    def until(self, condition: Callable[[], T | None], what: str, *, seconds: float = DEADLINE_S) -> T:
        """Wait for a condition while it runs, and read its output meanwhile."""

        def met() -> T | None:
            self.take()
            ended = self._process.poll() is not None
            if not (answer := condition()) and ended:
                raise AssertionError(f"watch ended with {self._process.returncode} before {what}:\n{self.said()}")
            return answer

        try:
            return wait_until(met, what, seconds=seconds)
        except TimeoutError as error:
            raise AssertionError(f"{error}; watch said:\n{self.said()[-3000:]}") from None

    def attached(self) -> Self:
        """Wait until it reads the kernel's records: what starts from now on is seen."""
        self.until(lambda: _is_open(self.journal, self.begun_ns), "it has attached")
        return self

    def answered_by(self, socket: Path) -> Self:
        """Wait until a runtime's socket is known to it, and so that it has attached.

        The journal is left alone until then: what root's SQLite makes beside a new one is for a moment root's alone.
        """
        self.until(lambda: f"A runtime answers.' endpoint='{socket}'" in self.said(), f"{socket} answers it")
        return self.attached()

    def printed(self, ids: Iterable[str], *, seconds: float = DEADLINE_S) -> dict[str, ContainerCreate]:
        """Wait until each of these ids was printed; return the newest record of each."""
        wanted = set(ids)

        def all_there() -> dict[str, ContainerCreate] | None:
            found = {record.container_id: record for record in self.read() if record.container_id in wanted}
            return found if found.keys() == wanted else None

        if not wanted:
            return {}
        return self.until(all_there, f"{len(wanted)} ids are printed", seconds=seconds)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, *, seconds: float = DEADLINE_S) -> int:
        """Wait for its end and read the rest of its output; return its exit status."""

        def has_ended() -> bool:
            self.take()
            return self._process.poll() is not None

        wait_until(has_ended, "watch ends", seconds=seconds)
        self.take()
        return int(self._process.returncode)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end in order; return its exit status."""
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.send(signal.SIGKILL)
        self.wait()
        self.killed_ns = time.time_ns()


def rows(journal: Path) -> list[Start]:
    """Every start in a journal, also while it is written."""
    try:
        with open_reader(journal) as reader:
            return list(reader.events())
    except (JournalError, sqlite3.Error):
        return []


def rows_of(journal: Path, ids: Iterable[str]) -> dict[str, list[Start]]:
    """Every start of these ids."""
    found: dict[str, list[Start]] = {container_id: [] for container_id in ids}
    for start in rows(journal):
        if start.container_id in found:
            found[start.container_id].append(start)
    return found


def rollcall(*arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run another of the subcommands to its end."""
    done = subprocess.run([ROLLCALL, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert status is None or done.returncode == status, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    return done


def closed_books(journal: Path) -> dict[str, Any]:
    """What `rollcall books` tells of a journal whose sums close, which its exit status says."""
    told: dict[str, Any] = json.loads(rollcall("books", "--journal", str(journal), "--output", "json").stdout)
    return told


def losses(books: dict[str, Any]) -> int:
    """How many starts the kernel lost, over all attaches."""
    return sum(row["ledger"]["mkdirs"]["lost"] + row["ledger"]["recursion_misses"] for row in books["kernel"])


_decoder = msgspec.json.Decoder(ContainerCreate)


def _is_open(journal: Path, since_ns: int) -> bool:
    """Whether somebody has begun to read the kernel's records since then: the first commit of a process says so."""
    try:
        with open_reader(journal) as reader:
            books = reader.books()
    except (JournalError, sqlite3.Error):
        return False  # not there yet, or not yet whole
    return books.durable_ns >= since_ns and any(row.closed_ns is None for row in books.kernel)
