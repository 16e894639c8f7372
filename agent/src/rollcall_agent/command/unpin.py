"""`rollcall unpin`: removes the probe that a pinned `watch` left in the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rollcall_agent.collect.core import unpin as remove_pins
from rollcall_agent.command.failing import failing_clearly


def unpin(pin: Annotated[Path, typer.Option(help="The directory that `rollcall watch --pin` was given.")]) -> None:
    """Remove the pinned probe: what starts from now on is not seen any more."""
    with failing_clearly():
        for name in remove_pins(pin):
            typer.echo(f"removed {pin / name}")
