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
from typing import Annotated

import typer

from rollcall.record import ContainerCreate
from rollcall_agent.collect.choose import open_collector
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.command.failing import failing_clearly
from rollcall_agent.command.form import Form, format_for
from rollcall_agent.command.logging import log_to_standard_error
from rollcall_agent.journal.reader import DEFAULT_PATH
from rollcall_agent.journal.writer import MAX_BYTES, open_journal
from rollcall_agent.metrics.serve import address
from rollcall_agent.roll.handing import Wishes
from rollcall_agent.roll.node import this_node
from rollcall_agent.roll.roll import Roll
from rollcall_agent.sink import Format, NobodyReadsError
from rollcall_agent.sink.output import Output


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
        int, typer.Option(min=1 << 20, help="Bytes that the journal may take on disk.")
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
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", callback=_address, help="Serve Prometheus metrics there.")
    ] = None,
) -> None:
    """Show every container that starts: whose it is, from which image digest, made when.

    Needs CAP_BPF and CAP_PERFMON (root has them) and access to the runtime's socket. Everything seen is written to
    the journal first; `rollcall books` proves from it that nothing was lost. SIGINT and SIGTERM end it in order.
    """
    log_to_standard_error()
    with failing_clearly(), ExitStack() as undo:
        hierarchy = followed_here()
        node = this_node(hierarchy, node_root)
        book = undo.enter_context(open_journal(journal, boot_id=node.boot_id, max_bytes=journal_size))
        probe = open_collector(
            collector.value, hierarchy=hierarchy, attach_number=book.next_attach_number(), ring_size=ring_size, pin=pin
        )
        undo.callback(probe.close)
        writer = Writer(Output(sys.stdout.fileno()), format_for(output), limit=count)

        async def run() -> None:
            roll = Roll(
                collector=probe,
                hierarchy=hierarchy,
                journal=book,
                node=node,
                endpoints=runtime_endpoint or [],
                wishes=Wishes(existing=existing, sandboxes=sandboxes),
                hand_out=writer.write,
            )
            async with AsyncExitStack() as serving:
                if metrics is not None:
                    from rollcall_agent.command.scrape import scraped  # noqa: PLC0415  # prometheus_client, if wanted

                    await serving.enter_async_context(scraped(metrics, roll, book))
                await _run(roll, writer, duration)

        try:
            asyncio.run(run())
        except NobodyReadsError:  # the books are closed all the same; the interpreter's last flush must find no pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _run(roll: Roll, writer: Writer, duration: float | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    writer.enough = stop.set
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if duration is not None:
        loop.call_later(duration, stop.set)
    await writer.begin()
    await roll.run(stop)


class Writer:
    """Writes records in one form until there were enough of them."""

    def __init__(self, output: Output, form: Format, *, limit: int | None) -> None:
        self._output = output
        self._form = form
        self._left = limit
        self.enough: Callable[[], None] = lambda: None

    async def begin(self) -> None:
        """Write what comes before the first record."""
        await self._send(self._form.header())

    async def write(self, record: ContainerCreate) -> None:
        """Write one record. Raises NobodyReadsError."""
        if self._left == 0:
            raise NobodyReadsError
        await self._send(self._form.line(record))
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.enough()

    async def _send(self, data: bytes) -> None:
        try:
            await self._output.write(data)
        except BrokenPipeError as error:
            raise NobodyReadsError from error
