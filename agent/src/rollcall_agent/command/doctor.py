"""`rollcall doctor`: what this machine has and lacks, each lack with what to do."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from rollcall_agent import doctor as check
from rollcall_agent.collect import core as co_re
from rollcall_agent.collect.bcc import BccCollector, find_tracefs, load_bcc
from rollcall_agent.collect.core import CoreCollector
from rollcall_agent.collect.event import Collector
from rollcall_agent.collect.headers import find_headers
from rollcall_agent.collect.hierarchy import followed_here
from rollcall_agent.collect.libbpf import Libbpf
from rollcall_agent.collect.problem import CollectorProblem
from rollcall_agent.collect.refusal import BTF, LOCKDOWN
from rollcall_agent.command.logging import log_to_standard_error
from rollcall_agent.doctor import Ability, Answer, Finding, Report, State
from rollcall_agent.enrich.channel import CallError
from rollcall_agent.enrich.connect import connect
from rollcall_agent.enrich.sockets import endpoints, present
from rollcall_agent.journal.reader import DEFAULT_PATH

_ANSWER_SECONDS: Final = 2.0


class Form(StrEnum):
    """How the report is written."""

    TABLE = "table"
    JSON = "json"


def doctor(
    runtime_endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Socket of a container runtime beside the usual ones; may be given several times."),
    ] = None,
    output: Annotated[Form, typer.Option(help="A table for people, or JSON.")] = Form.TABLE,
) -> None:
    """Show what this machine has and lacks, and what to do about it.

    Attaches the probe for a moment, to be sure. Exit status 0 says that `rollcall watch` will work here, 1 that not.
    """
    log_to_standard_error()
    report = examine(runtime_endpoint or [])
    if output is Form.JSON:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        from rollcall_agent.command.doctor_table import show  # noqa: PLC0415  # rich, for people alone

        show(report, sys.stdout)
    raise typer.Exit(0 if report.watch_works else 1)


def examine(runtime_endpoints: list[str]) -> Report:
    """Look at this machine."""
    release = os.uname().release
    self_cgroup, mountinfo = _text("/proc/self/cgroup"), _text("/proc/self/mountinfo")
    core = _try(CoreCollector, "core", _libbpf_version)
    bcc = _try(BccCollector, "bcc", _bcc_version, attach=not core.works)
    answers = ask_runtimes(runtime_endpoints)
    findings = [
        check.kernel(release),
        check.type_information(BTF),
        check.capabilities(_text("/proc/self/status")),
        check.lockdown(_text(str(LOCKDOWN))),
        check.unprivileged_bpf(_text("/proc/sys/kernel/unprivileged_bpf_disabled")),
        check.memlock(release, resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]),
        check.cgroups(self_cgroup, mountinfo),
        check.bpffs(mountinfo),
        _found("tracefs", lambda: str(find_tracefs())),
        _found("libbpf", _libbpf_version),
        check.program(co_re.OBJECT),
        _found("bcc", _bcc_version),
        _found("kernel headers", lambda: find_headers(release, os.environ).description),
        check.journal_directory(DEFAULT_PATH),
        check.runtimes(answers),
    ]
    usable = all(finding.state is not State.ERROR for finding in findings)
    return Report(
        watch_works=usable and (core.works or bcc.works), findings=findings, collectors=[core, bcc], runtimes=answers
    )


def ask_runtimes(given: list[str]) -> list[Answer]:
    """Ask all sockets that are there at once who answers; of those that are not, only the given ones are named."""
    there = present(endpoints(given))
    absent = [path for path in endpoints(given, usual=()) if not Path(path).exists()]
    answers = asyncio.run(_ask_versions(there))
    return [*answers, *(Answer(endpoint=path, problem="There is no such socket.") for path in absent)]


async def _ask_versions(paths: Iterable[str]) -> list[Answer]:
    return await asyncio.gather(*map(_ask_version, paths))


async def _ask_version(path: str) -> Answer:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            client = await connect(path, Counter())
    except TimeoutError:
        return Answer(endpoint=path, problem=f"no answer within {_ANSWER_SECONDS:g} s: is it hung?")
    except CallError as error:
        return Answer(endpoint=path, problem=str(error))
    latency_ms = 1000 * (time.monotonic() - begun)
    await client.close()
    return Answer(endpoint=path, name=client.runtime.name, version=client.runtime.version or "", latency_ms=latency_ms)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _found(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject=subject, state=State.OK, says=look())
    except CollectorProblem as problem:
        return check.lack(subject, problem)


def _libbpf_version() -> str:
    return f"libbpf {Libbpf().version()}"


def _bcc_version() -> str:
    return f"bcc {load_bcc().__version__}"


def _try(
    collector: type[CoreCollector | BccCollector], name: str, version: Callable[[], str], *, attach: bool = True
) -> Ability:
    """Attach and detach a collector; with `attach` false only look for what it needs, for bcc takes 100 MB for it."""
    gives = check.CORE_GIVES if name == "core" else check.BCC_GIVES
    try:
        says = version()
        if attach:
            begun = time.monotonic()
            probe: Collector = collector.attach(followed_here(), attach_number=0)
            says += f", attached in {1000 * (time.monotonic() - begun):.0f} ms"
            probe.close()
        else:
            find_tracefs()
            find_headers(os.uname().release, os.environ)
            says += ", not attached: CO-RE works"
    except CollectorProblem as problem:
        return Ability(name=name, works=False, says=problem.what, remedy=problem.remedy, gives=gives)
    return Ability(name=name, works=True, says=says, gives=gives)
