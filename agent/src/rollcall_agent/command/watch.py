"""`rollcall watch`: one record for each container that starts on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.record import ContainerCreate
from rollcall_agent.collect.choose import open_collector
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.command.fail_on import STATUS, Failing, FailOn, judging_options
from rollcall_agent.command.failing import failing_clearly
from rollcall_agent.command.form import Form, format_for
from rollcall_agent.command.logging import log_to_standard_error
from rollcall_agent.history.keeper import KEPT_DAYS, Keeper
from rollcall_agent.journal.reader import DEFAULT_PATH
from rollcall_agent.journal.writer import MAX_BYTES, open_journal
from rollcall_agent.metrics.serve import address
from rollcall_agent.roll.handing import Wishes
from rollcall_agent.roll.node import this_node
from rollcall_agent.roll.roll import Roll
from rollcall_agent.sink import Format, NobodyReadsError
from rollcall_agent.sink.lines import AlertLines
from rollcall_agent.sink.output import Output

if TYPE_CHECKING:
    from rollcall.judge import Verdict
    from rollcall.violations import Transition
    from rollcall_agent.history.telling import Telling


_LAST_ALERTS_S = 2.0


class CollectorKind(StrEnum):
    """Which probe."""

    AUTO = "auto"
    CORE = "core"
    BCC = "bcc"


def _address(where: str | None) -> str | None:
    if where is not None:
        try:
            address(where)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return where


def watch(
    runtime_endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Socket of a container runtime beside the usual ones; may be given several times."),
    ] = None,
    journal: Annotated[Path, typer.Option(help="The journal: one file that one process writes.")] = DEFAULT_PATH,
    journal_size: Annotated[
        int,
        typer.Option(
            min=1 << 20,
            help="Bytes that the journal may take on disk, with the history in it. For want of room the oldest starts "
            "that have ended are forgotten first, then the images and tags that were not seen for the longest. After "
            f"{KEPT_DAYS} days a start that has ended is forgotten in any case; what was counted of its image stays.",
        ),
    ] = MAX_BYTES,
    output: Annotated[
        Form | None,
        typer.Option(help="`json` and `flat` are one line a start; a table on a terminal, else json, unless said."),
    ] = None,
    collector: Annotated[
        CollectorKind, typer.Option(help="The probe: CO-RE, bcc, or whichever works.")
    ] = CollectorKind.AUTO,
    ring_size: Annotated[int, typer.Option(min=4096, help="Bytes of the kernel's ring buffer.")] = 1 << 20,
    pin: Annotated[
        Path | None, typer.Option(help="Directory on a bpffs that keeps the probe while this process is away.")
    ] = None,
    node_root: Annotated[
        str | None,
        typer.Option(help="Cgroup below which everything is this node's, as /node1; all of them unless said."),
    ] = None,
    existing: Annotated[bool, typer.Option(help="Show what runs already when the journal is begun.")] = True,
    sandboxes: Annotated[bool, typer.Option(help="Show pods' sandboxes.")] = True,
    duration: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many records (with --alerts-only: alerts).")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", callback=_address, help="Serve Prometheus metrics there.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Judge what starts by the policies and exceptions in its *.yaml, *.yml and *.json. Changes are seen "
            "within a second or two: what runs is judged again. A broken file goes on as it was last, over a restart "
            "as well.",
        ),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            help=f"End with status {STATUS}, whenever it ends, if anything was judged so: `violation` of a policy in "
            "mode Alert, `error` also what could not be judged, `audit` also either of a policy in mode Audit."
        ),
    ] = None,
    alerts_only: Annotated[
        bool, typer.Option("--alerts-only", help="Print one JSON line for each change of a violation, and no starts.")
    ] = False,
    on_violation: Annotated[
        str | None,
        typer.Option(
            metavar="CMD",
            help="Run this for each change of a violation, with the same line on its standard input. It is split into "
            "words as a shell would, and no shell is run. Four run at once, for 30 s each; what is not told yet waits "
            "in the journal.",
        ),
    ] = None,
) -> None:
    """Show every container that starts: whose it is, from which image digest, made when.

    Needs CAP_BPF and CAP_PERFMON (root has them) and access to the runtime's socket. Everything seen is written to
    the journal first; `rollcall books` proves from it that nothing was lost. SIGINT and SIGTERM end it in order.
    """
    log_to_standard_error()
    command = judging_options(policy, fail_on, on_violation, alerts_only=alerts_only)
    failing = Failing(fail_on)
    with failing_clearly(), ExitStack() as undo:
        hierarchy = followed_here()
        node = this_node(hierarchy, node_root)
        book = undo.enter_context(open_journal(journal, boot_id=node.boot_id, max_bytes=journal_size))
        probe = open_collector(
            collector.value, hierarchy=hierarchy, attach_number=book.next_attach_number(), ring_size=ring_size, pin=pin
        )
        undo.callback(probe.close)
        form = AlertLines() if alerts_only else format_for(output, judged=policy is not None)
        writer = Writer(Output(sys.stdout.fileno()), form, limit=count)

        async def run() -> None:
            keeper = Keeper(book)
            telling = None
            if policy is not None:
                from rollcall_agent.command.judged import judge_with  # noqa: PLC0415  # the judge, if wanted

                telling = judge_with(
                    book, keeper, policy, write=writer.tell if form.tells else None, command=command, failing=failing
                )
            roll = Roll(
                collector=probe,
                hierarchy=hierarchy,
                journal=book,
                keeper=keeper,
                node=node,
                endpoints=runtime_endpoint or [],
                wishes=Wishes(existing=existing, sandboxes=sandboxes),
                hand_out=writer.write,
            )
            async with AsyncExitStack() as serving:
                if metrics is not None:
                    from rollcall_agent.command.scrape import scraped  # noqa: PLC0415  # prometheus_client, if wanted

                    await serving.enter_async_context(scraped(metrics, roll, book, keeper, telling))
                await _run(roll, writer, telling, duration)

        try:
            asyncio.run(run())
        except NobodyReadsError:  # the books are closed all the same; the interpreter's last flush must find no pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if failing.failed:
        raise typer.Exit(STATUS)


async def _run(roll: Roll, writer: Writer, telling: Telling | None, duration: float | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    writer.enough = stop.set
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if duration is not None:
        loop.call_later(duration, stop.set)
    await writer.begin()
    if telling is None:
        await roll.run(stop)
        return
    told = asyncio.ensure_future(telling.run())
    told.add_done_callback(lambda _: stop.set())  # nobody reads alerts any more
    try:
        await roll.run(stop)
        await telling.finish(_LAST_ALERTS_S)
    finally:
        told.cancel()
        (ended,) = await asyncio.gather(told, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


class Writer:
    """Writes records in one form until there were enough of them, and what is told of violations between them."""

    def __init__(self, output: Output, form: Format, *, limit: int | None) -> None:
        self._output = output
        self._form = form
        self._left = limit
        self._turn = asyncio.Lock()
        self.enough: Callable[[], None] = lambda: None

    async def begin(self) -> None:
        """Write what comes before the first record."""
        await self._send(self._form.header())

    async def write(self, record: ContainerCreate, verdict: Verdict | None = None) -> None:
        """Write one record with its verdict. Raises NobodyReadsError."""
        if line := self._form.line(record, verdict):
            await self._counted(line)

    async def tell(self, transition: Transition) -> None:
        """Write what is told of a violation; where nothing else is written, that is what counts. Raises as `write`."""
        alone = isinstance(self._form, AlertLines)
        await (self._counted if alone else self._send)(self._form.alert(transition))

    async def _counted(self, line: bytes) -> None:
        if self._left == 0:
            raise NobodyReadsError
        await self._send(line)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.enough()

    async def _send(self, data: bytes) -> None:
        try:
            async with self._turn:  # a line of a start and one of a violation are never mixed
                await self._output.write(data)
        except BrokenPipeError as error:
            raise NobodyReadsError from error
