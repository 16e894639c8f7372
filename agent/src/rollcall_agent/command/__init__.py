"""The subcommands that the agent puts into the one command `rollcall`."""

from __future__ import annotations

import typer

from rollcall_agent.command.books import books
from rollcall_agent.command.doctor import doctor
from rollcall_agent.command.events import events
from rollcall_agent.command.images import images
from rollcall_agent.command.ps import ps
from rollcall_agent.command.show import show
from rollcall_agent.command.unpin import unpin
from rollcall_agent.command.violations import violations
from rollcall_agent.command.watch import watch


def register(app: typer.Typer) -> None:
    """Add the agent's subcommands (entry-point group `rollcall.commands`)."""
    for subcommand in (watch, ps, events, images, violations, show, books, doctor, unpin):
        app.command()(subcommand)
