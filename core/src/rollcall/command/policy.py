"""`rollcall policy check` and `rollcall policy explain`: what their options are. The rest is loaded when they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """How the answer is printed."""

    TEXT = "text"
    JSON = "json"


def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of policies and exceptions, or directories of such files."),
    ],
    output: Annotated[Form, typer.Option(help="Lines for people, or one JSON object.")] = Form.TEXT,
) -> None:
    """Check policies and exceptions: every mistake with its file, line, field, and what to write instead.

    An exception that has expired, that ends over a year ahead, or that waives what is not in the files, is a warning.
    Exit status 0: all is right, perhaps with warnings. 1: something is wrong.
    """
    from rollcall.command.checking import run  # noqa: PLC0415  # YAML, if wanted

    run(files, output is Form.JSON)


def explain(
    policy: Annotated[
        list[Path], typer.Option(help="Directory or file of policies and exceptions; may be given several times.")
    ],
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE]...", help="Images, as a pod would ask for them."),
    ] = None,
    event: Annotated[
        Path | None, typer.Option(help="Records as `rollcall watch --output json` writes them, - for standard input.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A start in the journal: its identity, or how a container id begins."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="The journal that --start looks into; the usual one unless said.")
    ] = None,
    output: Annotated[Form, typer.Option(help="Lines for people, or one JSON object for each.")] = Form.TEXT,
) -> None:
    """Explain verdicts: which policies select a container, what matched in each rule and what did not.

    An IMAGE alone is judged by every policy, whatever its `match` says, and by no `limits`; a digest in it is taken as
    the one that the runtime reports. Nothing is asked over the network, nothing is started.
    Exit status 0: nothing failed. 3: a policy failed (Violation or Error). 1: something could not be read.
    """
    from rollcall.command.explaining import run  # noqa: PLC0415  # YAML and the judge, if wanted

    if (start is not None) + (event is not None) + bool(images) != 1:
        raise typer.BadParameter("give one of: images, --event FILE, --start ID")
    if journal is not None and start is None:
        raise typer.BadParameter("--journal goes with --start ID")
    run(policy, images or [], event, start, journal, in_json=output is Form.JSON)
