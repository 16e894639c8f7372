"""The subcommands that need no agent: what can be said of policies without any container."""

from __future__ import annotations

import typer

from rollcall.command.policy import check, explain


def register(app: typer.Typer) -> None:
    """Add `rollcall policy …` (entry-point group `rollcall.commands`)."""
    group = typer.Typer(name="policy", help="Check policies, and explain what they say.", no_args_is_help=True)
    for subcommand in (check, explain):
        group.command()(subcommand)
    app.add_typer(group)
