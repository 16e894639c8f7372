"""`--fail-on`: which verdicts make a command end with a status of its own, and the options that go together."""

from __future__ import annotations

import shlex
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from rollcall.judge import Verdict

STATUS: Final = 3
"""Exit status of a command that was told to fail on what it has seen; 1 is a command that failed itself, 2 a misuse."""


class FailOn(StrEnum):
    """What to fail on; each includes the one before."""

    VIOLATION = "violation"
    ERROR = "error"
    AUDIT = "audit"


class Failing:
    """Looks at verdicts; `failed` says whether one of them is to be failed on."""

    def __init__(self, on: FailOn | None) -> None:
        self._on = on
        self.failed = False

    def look(self, verdict: Verdict) -> None:
        """Look at one verdict."""
        if self._on is None or not verdict.failing:
            return
        by_alert = [ruling for ruling in verdict.failing if ruling.mode == "Alert"]
        self.failed |= self._on is FailOn.AUDIT or any(
            self._on is FailOn.ERROR or ruling.result == "Violation" for ruling in by_alert
        )


def judging_options(
    policy: Path | None, fail_on: FailOn | None, on_violation: str | None, *, alerts_only: bool
) -> list[str]:
    """Check what goes with `--policy`, and return the words of the command for violations. Raises BadParameter."""
    if policy is None:
        for option, given in (
            ("--fail-on", fail_on), ("--on-violation", on_violation), ("--alerts-only", alerts_only),
        ):  # fmt: skip
            if given:
                raise typer.BadParameter(f"{option} needs policies: name their directory with --policy")
    elif not policy.is_dir():
        raise typer.BadParameter(f"--policy {policy}: there is no such directory")
    if on_violation is None:
        return []
    try:
        command = shlex.split(on_violation)
    except ValueError as error:
        raise typer.BadParameter(f"--on-violation: {error}") from error
    if not command or shutil.which(command[0]) is None:
        raise typer.BadParameter(f"--on-violation: there is no command {command[0] if command else '(it is empty)'}")
    return command
