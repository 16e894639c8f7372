"""One Docker daemon behind one socket: asks it about candidates, and lists what it has.

While a container starts, Docker holds its lock: an inspection at the moment of its mkdir waits, and is answered once
the start is through (measured on 20.10). It is answered even if the container has ended and is removed meanwhile, for
the daemon has it in its hands; so nothing more is needed for containers that live for milliseconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from rollcall.record import Runtime
from rollcall.references import image_id
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.docker_api import ContainerAnswer, Docker, Engine, ImageAnswer, ListEntry, introduce
from rollcall_agent.enrich.docker_facts import container_facts, image_of, listed, sandbox_id
from rollcall_agent.enrich.docker_http import UnixHttp
from rollcall_agent.enrich.facts import Answer, Listed, Listing, Miss, Question
from rollcall_agent.enrich.pods import claimed_pod

NAME = "docker"

_NOT_FOUND = Miss(reason=Failure.NOT_FOUND, message="Docker does not know this id")


class DockerClient:
    """A daemon that has answered once."""

    namespaces: frozenset[str] = frozenset()
    """Docker has none of containerd's."""

    def __init__(self, endpoint: str, engine: Engine, docker: Docker) -> None:
        self.endpoint = endpoint
        self.runtime = Runtime(name=NAME, version=engine.version or None)
        self._engine = engine
        self._docker = docker

    @classmethod
    async def connect(cls, path: str, errors: Counter[str]) -> DockerClient:
        """Find out who answers at a socket. Raises CallError where nobody does, or no Docker that is spoken to."""
        return cls(path, *await introduce(UnixHttp(path, errors)))

    def matches(self, hint: str) -> bool:
        """Say whether a path's hint means this runtime."""
        return hint == NAME

    async def refresh_namespaces(self) -> None:
        """Do nothing."""

    async def ask(self, question: Question) -> Answer:
        """Ask by id. Never raises but when cancelled."""
        try:
            return await self._ask(question)
        except CallError as error:
            again = error.failure not in {Failure.INVALID, Failure.UNIMPLEMENTED}
            return Miss(reason=error.failure, message=str(error), again=again)

    async def ask_many(self, questions: Sequence[Question]) -> dict[int, asyncio.Future[Answer]]:
        """Ask by one list, and by id about what it shows. Gives each key an answer; raises only when cancelled."""
        try:
            found = {entry.id for entry in await self._docker.containers(_ids(questions))}
        except CallError as error:
            miss = Miss(reason=error.failure, message=str(error))
            return {question.key: _done(miss) for question in questions}
        return {
            question.key: asyncio.ensure_future(self.ask(question))
            if question.candidate.container_id in found
            else _done(_NOT_FOUND)
            for question in questions
        }

    async def list_all(self) -> Listing:
        """List everything. Never raises but when cancelled: an error is in the listing."""
        try:
            entries = await self._docker.containers()
            items = await asyncio.gather(*map(self._listed, entries))
        except CallError as error:
            return Listing(endpoint=self.endpoint, runtime=self.runtime, error=str(error))
        return Listing(endpoint=self.endpoint, runtime=self.runtime, items=tuple(items))

    async def close(self) -> None:
        """Do nothing: each call has a connection of its own."""

    async def _ask(self, question: Question) -> Answer:
        answer = await self._docker.container(question.candidate.container_id)
        found, sandbox = await asyncio.gather(self._image(answer), self._sandbox(question, answer))
        image = image_of(answer, found, image_store=self._engine.image_store)
        return container_facts(question.candidate, self.runtime, answer, image, sandbox)

    async def _image(self, answer: ContainerAnswer) -> ImageAnswer | None:
        """Ask for a container's image, None where it was removed: a container goes on without its name."""
        if image_id(answer.image) is None:
            return None
        try:
            return await self._docker.image(answer.image)
        except CallError as error:
            if error.failure is Failure.NOT_FOUND:
                return None
            raise

    async def _sandbox(self, question: Question, answer: ContainerAnswer) -> ContainerAnswer | None:
        """Ask for the sandbox of a container's pod, which alone has the pod's labels."""
        wanted = sandbox_id(question.candidate, answer)
        if wanted is None:
            return None
        try:
            sandbox = await self._docker.container(wanted)
        except CallError as error:
            if error.failure is Failure.NOT_FOUND:
                return None
            raise
        own, other = claimed_pod(answer.config.labels or {}), claimed_pod(sandbox.config.labels or {})
        return sandbox if own is not None and other is not None and own.uid == other.uid else None

    async def _listed(self, entry: ListEntry) -> Listed:
        """Give what is listed with its times, which only an inspection tells; what was never started has none."""
        if entry.state == "created":
            return listed(self.runtime, entry, None)
        try:
            return listed(self.runtime, entry, await self._docker.container(entry.id))
        except CallError as error:
            if error.failure not in {Failure.NOT_FOUND, Failure.HUNG}:  # removed meanwhile, or locked by its start
                raise
            return listed(self.runtime, entry, None)


def _ids(questions: Sequence[Question]) -> list[str]:
    return [question.candidate.container_id for question in questions]


def _done(answer: Answer) -> asyncio.Future[Answer]:
    done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    done.set_result(answer)
    return done
