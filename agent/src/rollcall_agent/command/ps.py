"""`rollcall ps`: what runs now, with the same facts, once."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.record import ContainerCreate
from rollcall.text import printable
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.command.fail_on import STATUS, Failing, FailOn, judging_options
from rollcall_agent.command.failing import failing_clearly
from rollcall_agent.command.form import Form, format_for
from rollcall_agent.command.logging import log_to_standard_error
from rollcall_agent.roll.node import this_node
from rollcall_agent.roll.present import call_the_roll

if TYPE_CHECKING:
    from rollcall.judge import Verdict

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
    policy: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Judge them by the policies and exceptions in its *.yaml, *.yml and *.json."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            help=f"End with status {STATUS} if anything is judged so: `violation` of a policy in mode Alert, `error` "
            "also what could not be judged, `audit` also either of a policy in mode Audit."
        ),
    ] = None,
) -> None:
    """Show every container that runs now: whose it is, from which image digest, started when.

    Needs access to the runtime's socket and nothing else. Exit status 1: a runtime could not be asked, none is there,
    or a policy can't be read. No tag moves here: what it led to before is known to `rollcall watch` alone.
    """
    log_to_standard_error()
    judging_options(policy, fail_on, None, alerts_only=False)
    with failing_clearly():
        hierarchy = followed_here()
        found = asyncio.run(call_the_roll(this_node(hierarchy, node_root), hierarchy, runtime_endpoint or []))
    form, failing = format_for(output, judged=policy is not None), Failing(fail_on)
    shown = [record for record in found.records if sandboxes or not record.pod.sandbox]
    verdicts, broken = _judge(shown, policy) if policy is not None else ([None] * len(shown), [])
    sys.stdout.buffer.write(form.header() + b"".join(map(form.line, shown, verdicts)))
    sys.stdout.buffer.flush()
    for verdict in verdicts:
        if verdict is not None:
            failing.look(verdict)
    for problem in broken:
        typer.echo(f"rollcall: {problem}", err=True)
    for endpoint, reason in found.silent.items():
        typer.echo(f"rollcall: {endpoint} could not be asked: {printable(reason, _REASON)}", err=True)
    if not found.runtimes and not found.silent:
        typer.echo("rollcall: no runtime listens at any usual place; name its socket with --runtime-endpoint", err=True)
    if not found.runtimes or found.silent or broken:
        raise typer.Exit(1)
    raise typer.Exit(STATUS if failing.failed else 0)


def _judge(records: list[ContainerCreate], folder: Path) -> tuple[list[Verdict | None], list[str]]:
    """Judge records by the policies in a folder; give also what is wrong with these."""
    from rollcall.judge import PolicySet, judge  # noqa: PLC0415  # the judge and YAML, if wanted
    from rollcall.observation import observe  # noqa: PLC0415  # the same
    from rollcall_agent.history.files import Folder  # noqa: PLC0415  # the same

    in_force = Folder(folder).read({})
    policies = PolicySet(in_force.loaded.policies, in_force.loaded.exceptions)
    now = time.time_ns()
    return [judge(observe(record), policies, None, now) for record in records], list(in_force.broken.values())
