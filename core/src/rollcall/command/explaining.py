"""What `rollcall policy explain` does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
import typer

from rollcall.explain import Explanation, explain, explain_image
from rollcall.explain_words import words
from rollcall.judge import Result, TagHistory
from rollcall.observation import observe
from rollcall.policy.files import gather
from rollcall.policy.read import Loaded, read_all
from rollcall.record import ContainerCreate
from rollcall.references import InvalidReferenceError
from rollcall.text import printable

FAILED = 3
"""Exit status where a policy failed."""

FindStart = Callable[[Path | None, str], tuple[ContainerCreate, TagHistory | None]]
"""Finds a start in a journal: its record, and what its tag led to. Raises LookupError with a message, or typer.Exit."""

_LARGEST = 64 << 20


def run(  # one argument an option
    paths: list[Path], images: list[str], event: Path | None, start: str | None, journal: Path | None, *, in_json: bool
) -> None:
    """Explain, print, and exit."""
    texts, problems = gather(paths)
    loaded = read_all(texts)
    problems += loaded.problems
    for problem in problems:
        typer.echo(f"rollcall: {problem}", err=True)
    for warning in loaded.warnings(time.time_ns()):
        typer.echo(f"rollcall: {warning} (warning)", err=True)
    failed = False
    try:
        for explanation in _explanations(loaded, images, event, start, journal):
            failed |= explanation.verdict.result in {Result.VIOLATION, Result.ERROR}
            typer.echo(msgspec.json.encode(explanation) if in_json else "\n".join(words(explanation)) + "\n")
    except (InvalidReferenceError, LookupError, OSError) as error:
        typer.echo(f"rollcall: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(1 if problems else FAILED if failed else 0)


def _explanations(
    loaded: Loaded, images: list[str], event: Path | None, start: str | None, journal: Path | None
) -> Iterator[Explanation]:
    now = time.time_ns()
    for image in images:
        yield explain_image(image, loaded.policies, loaded.exceptions, now)
    if start is not None:
        record, history = _find_start(journal, start)
        yield explain(observe(record), loaded.policies, loaded.exceptions, history, now)
    if event is not None:
        for record in _records(event):
            yield explain(observe(record), loaded.policies, loaded.exceptions, None, now)


def _records(event: Path) -> Iterator[ContainerCreate]:
    """Read one record, or one a line. Raises LookupError where something is none."""
    if str(event) == "-":
        raw = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        with event.open("rb") as opened:
            raw = opened.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise LookupError(f"{printable(str(event), 200)}: larger than {_LARGEST} bytes; split it")
    decoder = msgspec.json.Decoder(ContainerCreate)
    try:
        yield decoder.decode(raw)
    except msgspec.MsgspecError:
        records = [(number, line) for number, line in enumerate(raw.splitlines(), 1) if line.strip()]
        if not records:
            raise LookupError(f"{printable(str(event), 200)}: there is no record in it") from None
    else:
        return
    for number, line in records:
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError as error:
            message = f"{printable(str(event), 200)}:{number}: no record: {printable(str(error), 200)}"
            raise LookupError(message) from None


def _find_start(journal: Path | None, start: str) -> tuple[ContainerCreate, TagHistory | None]:
    for entry in entry_points(group="rollcall.starts"):
        find: FindStart = entry.load()
        return find(journal, start)
    raise LookupError("no package that keeps a journal is installed: use --event FILE, or install rollcall[agent]")
