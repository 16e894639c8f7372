"""What `rollcall watch --policy` has beside the roll: the judge, and whom it tells. Imported where it is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rollcall.violations import Transition
from rollcall_agent.command.fail_on import Failing
from rollcall_agent.history.files import Folder
from rollcall_agent.history.judging import Judging
from rollcall_agent.history.keeper import Keeper
from rollcall_agent.history.telling import Telling
from rollcall_agent.journal.writer import Journal


def judge_with(
    journal: Journal,
    keeper: Keeper,
    folder: Path,
    *,
    write: Callable[[Transition], Awaitable[None]] | None,
    command: Sequence[str],
    failing: Failing,
) -> Telling:
    """Have a keeper judge by the policies in a folder; return who tells of violations, which is to be run."""
    telling = Telling(journal, write=write, command=command)
    keeper.judge_with(
        Judging(
            journal,
            keeper.counting,
            Folder(folder),
            receivers=telling.receivers,
            on_verdict=failing.look,
            woken=telling.wake,
        )
    )
    return telling
