"""A machine without a kernel or a runtime: its journal and history, fed with starts as the roll feeds them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
from msgspec.structs import replace

from lab.policies import NOW
from rollcall.judge.verdict import Verdict
from rollcall.record import (
    Cgroup,
    Container,
    ContainerCreate,
    DigestKind,
    Image,
    ImageDigest,
    Node,
    Origin,
    Pod,
    Resolution,
    TimeSource,
)
from rollcall.references import parse
from rollcall.times import rfc3339
from rollcall.violations import Change, Transition
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.history.files import Folder
from rollcall_agent.history.judging import Judging
from rollcall_agent.history.keeper import Keeper
from rollcall_agent.history.reader import HistoryReader, open_history
from rollcall_agent.journal import Journal, Start, open_journal
from rollcall_agent.roll.compose import placed

_transitions = msgspec.json.Decoder(Transition)

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOT = "5b3f3a3e-6c1b-4a53-9d0a-2f6f3f6f7a10"


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


class Machine:
    """One machine; `policies` is a folder, None for a watch without one. Time stands still at `now`."""

    def __init__(self, path: Path, *, policies: Path | None, receivers: tuple[str, ...] = ("output",)) -> None:
        self.path = path
        self.policies = policies
        self.now = NOW
        self._receivers = receivers
        if policies is not None:
            policies.mkdir(exist_ok=True)
        self._open()

    def _open(self) -> None:
        self.journal: Journal = open_journal(self.path, boot_id=BOOT, now=lambda: self.now)
        self.keeper = Keeper(self.journal, now=lambda: self.now)
        self.verdicts: list[Verdict] = []
        if self.policies is not None:
            self.judging = Judging(
                self.journal,
                self.keeper.counting,
                Folder(self.policies),
                receivers=self._receivers,
                on_verdict=self.verdicts.append,
            )
            self.keeper.judge_with(self.judging)
        self.keeper.begin()

    def close(self) -> None:
        self.journal.close()

    def again(self) -> Self:
        """End the process and begin another one; what was in a sink's hands is handed over again."""
        self.close()
        self._open()
        with self.journal.transaction():
            self._take(self.journal.unsettled())
        return self

    def reader(self) -> HistoryReader:
        return open_history(self.path)

    def write(self, name: str, text: str) -> None:
        """Write a file of policies, as an editor does."""
        assert self.policies is not None
        (self.policies / name).write_text(textwrap.dedent(text))

    def tick(self) -> None:
        while self.keeper.tick():
            pass

    def add(self, number: int, image: str | None, found: str | None, **fields: Any) -> int:
        """Have a container start and be answered for; give its row. `found` is a letter of the manifest's digest."""
        record = a_record(number, image, found, self.now, **fields)
        start = Start(
            identity=record.identity,
            candidate=ContainerCandidate(container_id=record.container_id, runtime="containerd"),
            boot_id=BOOT,
            cgroup_id=record.cgroup.id or 0,
            hierarchy=0,
            origin=Origin.KERNEL,
            read_ns=self.now,
        )
        with self.journal.transaction():
            row = self.journal.add(start)
            assert row is not None
            self.journal.resolve(row, record)
        return row

    def late(self, row: int, number: int, image: str, found: str, **fields: Any) -> bool:
        """Give a start its late answer."""
        with self.journal.transaction():
            return self.journal.late(row, a_record(number, image, found, self.now, **fields))

    def hand(self) -> list[tuple[ContainerCreate, Verdict | None]]:
        """Hand over what is ready, in one transaction, as the roll does."""
        with self.journal.transaction():
            return self._take(self.journal.next_ready())

    def _take(self, starts: list[Start]) -> list[tuple[ContainerCreate, Verdict | None]]:
        records = [placed(start, self.journal.epoch) for start in starts]
        return [(record, self.keeper.take(start, record)) for start, record in zip(starts, records, strict=True)]

    def settle(self) -> None:
        with self.journal.transaction():
            self.journal.settle([start.row for start in self.journal.unsettled()])

    def start(self, number: int, image: str | None, found: str | None, **fields: Any) -> Verdict | None:
        """Have a container start, be handed over and settled; return its verdict."""
        self.add(number, image, found, **fields)
        ((_, verdict),) = self.hand()
        self.settle()
        return verdict

    def end(self, row: int) -> None:
        with self.journal.transaction():
            self.journal.end_row(row, self.now, TimeSource.KERNEL)

    def told(self) -> list[tuple[Change, str]]:
        """What is yet to be told, in order: the change, and the policy and rule."""
        rows = self.journal.connection.execute("SELECT transition FROM untold ORDER BY id").fetchall()
        found = [_transitions.decode(row[0]) for row in rows]
        return [(each.change, f"{each.violation.key.policy}/{each.violation.key.rule}") for each in found]

    def counts(self) -> Mapping[tuple[str, str], int]:
        with self.reader() as reader:
            return {(each.repository, each.digest): each.starts for each in reader.image_records() if each.starts}


def a_record(number: int, image: str | None, found: str | None, now: int, **fields: Any) -> ContainerCreate:
    reference = parse(image) if image is not None else None
    digests = (
        (ImageDigest(digest=digest(found), kind=DigestKind.MANIFEST, source="test", repository=reference.name),)
        if found is not None and reference is not None
        else ()
    )
    unresolved = found is None
    made = ContainerCreate(
        identity=f"identity{number:018d}",
        container_id=f"{number:064x}",
        ctime=rfc3339(now + number * 1000),
        image=Image(requested=image, reference=reference, digests=digests, digest=digest(found) if found else None),
        container=Container(name="app"),
        pod=Pod(sandbox=False),
        cgroup=Cgroup(id=1000 + number, path=f"/default/{number:064x}"),
        node=Node(name="node-1", boot_id=BOOT),
        resolution=Resolution.UNRESOLVED if unresolved else Resolution.RESOLVED,
        reason="Timeout" if unresolved else None,
    )
    return replace(made, **fields)
