"""What `rollcall policy check` does."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import typer
from msgspec import Struct

from rollcall.policy.files import gather
from rollcall.policy.read import FileProblem, read_all


class Report(Struct, frozen=True, kw_only=True):
    """What was found in so many files."""

    files: int
    policies: tuple[str, ...]
    exceptions: tuple[str, ...]
    problems: tuple[FileProblem, ...]
    warnings: tuple[FileProblem, ...]

    @property
    def summary(self) -> str:
        """All of it, counted."""
        parts = (
            _count(self.files, "file"),
            _count(len(self.policies), "policy", "policies"),
            _count(len(self.exceptions), "exception"),
            _count(len(self.problems), "mistake"),
            _count(len(self.warnings), "warning"),
        )
        return ", ".join(parts)


def run(paths: list[Path], in_json: bool) -> None:
    """Check, print, and exit."""
    report = check_files(paths, time.time_ns())
    if in_json:
        typer.echo(msgspec.json.encode(report))
    else:
        for problem in report.problems:
            typer.echo(str(problem))
        for warning in report.warnings:
            typer.echo(f"{warning} (warning)")
        typer.echo(report.summary)
    raise typer.Exit(1 if report.problems else 0)


def check_files(paths: list[Path], now: int) -> Report:
    """Read and check files; `now` in ns since 1970."""
    texts, unreadable = gather(paths)
    loaded = read_all(texts)
    return Report(
        files=len(texts),
        policies=tuple(policy.name for policy in loaded.policies),
        exceptions=tuple(exception.name for exception in loaded.exceptions),
        problems=(*unreadable, *loaded.problems),
        warnings=tuple(loaded.warnings(now)),
    )


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
