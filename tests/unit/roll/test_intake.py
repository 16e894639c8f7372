"""Which container a start is placed in: by the ancestors' ids, by its path where they do not reach the top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollcall_agent.collect.event import CgroupEvent, Kind
from rollcall_agent.journal import Journal, open_journal
from rollcall_agent.roll.clock import WallClock
from rollcall_agent.roll.intake import Intake
from rollcall_agent.roll.nesting import BURST, Nesting
from rollcall_agent.roll.node import NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTER, INNER = "a" * 64, "b" * 64


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path / "journal.db", boot_id="b")
    with journal.transaction():
        journal.open_attach("core", 1, 0, 1)
    yield journal
    journal.close()


def nested_events(ancestors: tuple[int, ...]) -> list[CgroupEvent]:
    path = f"/docker/{OUTER}{'/d' * 17}/docker/".encode()
    return [
        CgroupEvent(
            kind=Kind.START,
            attach=1,
            cgroup_id=5000 + number,
            hierarchy=0,
            level=20,
            boot_ns=0,
            path=path + f"{number:064x}".encode(),
            leaf=f"{number:064x}".encode(),
            ancestors=ancestors,
        )
        for number in range(BURST + 10)
    ]


@pytest.mark.parametrize(
    ("ancestors", "excess"),
    [
        ((9, 40, 1), 10),
        ((), 10),  # bcc has no ids
        (tuple(range(100, 116)), 10),  # deeper than the ids reach
        (tuple(range(100, 115)), None),  # the ids reach the top, and no live container is among them
    ],
)
def test_a_container_has_one_budget_however_deep_its_own_lie(
    journal: Journal, ancestors: tuple[int, ...], excess: int | None
) -> None:
    nesting = Nesting()
    nesting.add(40, OUTER)
    intake = Intake(journal, NodeIdentity(name="n", boot_id="b"), nesting, WallClock(), tuple)
    with journal.transaction():
        taken = intake.take(nested_events(ancestors))
    over = [root.excess for root in nesting.take_excess()]
    assert over == ([] if excess is None else [excess])
    assert len(taken.starts) == BURST + 10 - sum(over)
