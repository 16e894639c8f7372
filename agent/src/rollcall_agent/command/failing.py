"""How a command fails: one clear message on standard error, and exit status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from rollcall_agent.collect.problem import CollectorProblem
from rollcall_agent.journal.file import JournalError
from rollcall_agent.journal.writer import NotCommittedError


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turn what is wrong on this machine into a message for its user."""
    try:
        yield
    except (CollectorProblem, JournalError, NotCommittedError, OSError) as error:
        typer.echo(f"rollcall: {error}", err=True)
        raise typer.Exit(1) from None
