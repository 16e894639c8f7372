"""`rollcall ps`: what runs now, with the same facts, once."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from rollcall.text import printable
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.command.failing import failing_clearly
from rollcall_agent.command.form import Form, format_for
from rollcall_agent.command.logging import log_to_standard_error
from rollcall_agent.roll.node import this_node
from rollcall_agent.roll.present import call_the_roll

_REASON = 300


def ps(
    runtime_endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Socket of a container runtime beside the usual ones; may be given several times."),
    ] = None,
    output: Annotated[
        Form | None,
        typer.Option(help="`json` and `flat` are one line a container; a table on a terminal, else json, unless said."),
    ] = None,
    node_root: Annotated[
        str | None,
        typer.Option(help="Cgroup below which everything is this node's, as /node1; all of them unless said."),
    ] = None,
    sandboxes: Annotated[bool, typer.Option(help="Show pods' sandboxes.")] = True,
) -> None:
    """Show every container that runs now: whose it is, from which image digest, started when.

    Needs access to the runtime's socket and nothing else. Exit status 1: a runtime could not be asked, or none is
    there.
    """
    log_to_standard_error()
    with failing_clearly():
        hierarchy = followed_here()
        found = asyncio.run(call_the_roll(this_node(hierarchy, node_root), hierarchy, runtime_endpoint or []))
    form = format_for(output)
    shown = [record for record in found.records if sandboxes or not record.pod.sandbox]
    sys.stdout.buffer.write(form.header() + b"".join(map(form.line, shown)))
    for endpoint, reason in found.silent.items():
        typer.echo(f"rollcall: {endpoint} could not be asked: {printable(reason, _REASON)}", err=True)
    if not found.runtimes and not found.silent:
        typer.echo("rollcall: no runtime listens at any usual place; name its socket with --runtime-endpoint", err=True)
    raise typer.Exit(0 if found.runtimes and not found.silent else 1)
