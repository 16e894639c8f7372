"""What runs now, asked of every runtime once: no probe, no journal, nothing is kept."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from rollcall.record import ContainerCreate, Resolution
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.enrich.channel import CallError
from rollcall_agent.enrich.connect import connect
from rollcall_agent.enrich.facts import Facts, Question, State
from rollcall_agent.enrich.outcome import unsettled
from rollcall_agent.enrich.sockets import endpoints, present
from rollcall_agent.roll.compose import compose
from rollcall_agent.roll.node import NodeIdentity
from rollcall_agent.roll.reconcile import start_of
from rollcall_agent.roll.walk import walk

_DEADLINE_S = 10.0


class Present(Struct, frozen=True, kw_only=True):
    """What runs now, and the sockets whose runtime could not be asked, with the reason."""

    records: list[ContainerCreate]
    silent: dict[str, str]
    runtimes: int


async def call_the_roll(node: NodeIdentity, hierarchy: Hierarchy, given: Iterable[str]) -> Present:
    """Ask every runtime that listens here, or at the endpoints given, what runs; each has ten seconds."""
    paths = list(present(endpoints(given)))
    answers = await asyncio.gather(*(_ask(path, node, hierarchy) for path in paths), return_exceptions=True)
    records: dict[str, ContainerCreate] = {}
    silent: dict[str, str] = {}
    for path, answer in zip(paths, answers, strict=True):
        if isinstance(answer, (CallError, TimeoutError)):
            silent[path] = str(answer) or f"no answer within {_DEADLINE_S:g} s"
        elif isinstance(answer, BaseException):
            raise answer
        else:
            for record in answer:
                # containerd lists Docker's containers too, and does not know what they are.
                if record.identity not in records or record.resolution is not Resolution.UNRESOLVED:
                    records[record.identity] = record
    in_order = sorted(records.values(), key=lambda record: record.ctime or "")
    return Present(records=in_order, silent=silent, runtimes=len(paths) - len(silent))


async def _ask(path: str, node: NodeIdentity, hierarchy: Hierarchy) -> list[ContainerCreate]:
    async with asyncio.timeout(_DEADLINE_S):
        client = await connect(path, Counter())
        try:
            listing = await client.list_all()
            if listing.error is not None:
                raise TimeoutError(listing.error)
            places = {each.candidate.container_id: each for each in walk(hierarchy, node, client.namespaces)}
            starts = {
                key: start_of(listed, places.get(listed.container_id), node, hierarchy)
                for key, listed in enumerate(each for each in listing.items if each.state is State.RUNNING)
                if listed.container_id in places or listed.created_ns is not None
            }
            questions = [
                Question(key=key, candidate=start.candidate, cgroup_id=start.cgroup_id, noticed_ns=time.monotonic_ns())
                for key, start in starts.items()
            ]
            coming = await client.ask_many(questions)
            records = []
            for question in questions:
                answer = await coming[question.key]
                its_own = client.matches(question.candidate.runtime)
                facts = answer if isinstance(answer, Facts) else unsettled(question, [answer], its_own=its_own)
                records.append(compose(starts[question.key], facts, node, hierarchy))
            return records
        finally:
            await client.close()
