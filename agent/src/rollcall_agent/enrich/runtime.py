"""One container runtime behind one socket: asks it about candidates, one by one or many at once.

CRI answers for pods' containers. containerd itself is asked for what CRI does not show: sandboxes, whose record is
there before CRI has them, and the containers of other namespaces.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence

from rollcall.record import Image, Pod, Runtime
from rollcall_agent.enrich import verbose
from rollcall_agent.enrich.channel import CallError, Channel, Failure
from rollcall_agent.enrich.compose import (
    container_facts,
    partly,
    record_facts,
    record_resources,
    sandbox_facts,
    unchecked_facts,
    unknown_image,
)
from rollcall_agent.enrich.containerd import KUBERNETES, MOBY, Containerd, is_identifier
from rollcall_agent.enrich.cri import Cri
from rollcall_agent.enrich.facts import Answer, Facts, Listing, Miss, Question, State
from rollcall_agent.enrich.images import Images
from rollcall_agent.enrich.limits import limits_from_spec
from rollcall_agent.enrich.listing import list_runtime
from rollcall_agent.enrich.outcome import DOCKER_UNAVAILABLE
from rollcall_agent.enrich.pods import KIND, Pods, labels_of
from rollcall_agent.enrich.proto import containerd_pb2, cri_pb2

_FILTERS = 128
"""Ids in one call of a filtered list."""

_NOT_FOUND = Miss(reason=Failure.NOT_FOUND, message="the runtime does not know this id")
_DOCKERS = Miss(
    reason=DOCKER_UNAVAILABLE,
    message="containerd has it in Docker's namespace without name and image, and no Docker that answers knows it",
    again=False,
)


class RuntimeClient:
    """A runtime that has answered once. `close` lets go of its channel."""

    def __init__(
        self, endpoint: str, runtime: Runtime, channel: Channel, *, has_cri: bool, containerd: Containerd | None
    ) -> None:
        self.endpoint = endpoint
        self.runtime = runtime
        self.namespaces: frozenset[str] = frozenset()
        self._channel = channel
        self._cri = Cri(channel)
        self._has_cri = has_cri
        self._containerd = containerd
        self._images = Images(self._cri, containerd)
        self._pods = Pods(self._cri)

    @classmethod
    async def connect(cls, path: str, errors: Counter[str]) -> RuntimeClient:
        """Find out who answers at a socket. Raises CallError where nobody does, or who has neither API."""
        channel = Channel(path, errors)
        try:
            return await cls._introduce(path, channel)
        except BaseException:
            await channel.close()
            raise

    @classmethod
    async def _introduce(cls, path: str, channel: Channel) -> RuntimeClient:
        cri, containerd = Cri(channel), Containerd(channel)
        told, namespaces = await asyncio.gather(cri.version(), containerd.namespaces(), return_exceptions=True)
        for failed in (told, namespaces):
            if isinstance(failed, BaseException) and not _lacks_it(failed):
                raise failed
        if isinstance(told, cri_pb2.VersionResponse):
            runtime = Runtime(name=told.runtime_name, version=told.runtime_version or None)
        elif isinstance(namespaces, list):
            runtime = Runtime(name="containerd", version=await containerd.version() or None)
        else:
            raise CallError(Failure.UNIMPLEMENTED, f"{path}: neither CRI nor containerd's own API answers there")
        client = cls(
            path,
            runtime,
            channel,
            has_cri=not isinstance(told, BaseException),
            containerd=None if isinstance(namespaces, BaseException) else containerd,
        )
        if isinstance(namespaces, list):
            client.namespaces = frozenset(namespaces)
        return client

    def matches(self, hint: str) -> bool:
        """Say whether a path's hint (`containerd`, `crio`) means this runtime."""
        return hint == self.runtime.name.replace("-", "")

    async def refresh_namespaces(self) -> None:
        """Ask containerd for its namespaces again. Raises CallError."""
        if self._containerd is not None:
            self.namespaces = frozenset(await self._containerd.namespaces())

    async def ask(self, question: Question) -> Answer:
        """Ask by id. Never raises but when cancelled."""
        try:
            return await self._ask(question)
        except CallError as error:
            return _miss(error)

    async def ask_many(self, questions: Sequence[Question]) -> dict[int, asyncio.Future[Answer]]:
        """Ask by lists, and by id only about what they show. Gives each key an answer; raises only when cancelled."""
        try:
            containers, sandboxes = await self._listed(questions)
            left = [each for each in questions if each.candidate.container_id not in containers | sandboxes]
            records = await self._recorded(left)
        except CallError as error:
            return {question.key: _done(_miss(error)) for question in questions}

        async def found(answer: Awaitable[Answer]) -> Answer:
            try:
                return await answer
            except CallError as error:
                return _miss(error)

        answers: dict[int, asyncio.Future[Answer]] = {}
        for question in questions:
            key, container_id = question.key, question.candidate.container_id
            if key in records:
                answers[key] = asyncio.ensure_future(found(self._of_record(question, *records[key])))
            elif container_id in containers:
                answers[key] = asyncio.ensure_future(found(self._container(question)))
            elif container_id in sandboxes:
                answers[key] = asyncio.ensure_future(found(self._sandbox(question)))
            else:
                answers[key] = _done(_NOT_FOUND)
        return answers

    async def list_all(self) -> Listing:
        """List everything. Never raises but when cancelled: an error is in the listing."""
        return await list_runtime(self.endpoint, self.runtime, self._cri if self._has_cri else None, self._containerd)

    async def close(self) -> None:
        """Let go of the channel."""
        await self._channel.close()

    async def _ask(self, question: Question) -> Answer:
        candidate = question.candidate
        if candidate.namespace is not None and not _may_be_cris(question):
            found = await self._record(candidate.namespace, candidate.container_id)
            return await self._of_record(question, candidate.namespace, found) if found is not None else _NOT_FOUND
        if self._has_cri:
            try:
                return await self._container(question)
            except CallError as error:
                if error.failure is not Failure.NOT_FOUND:
                    raise
        if self._containerd is None:
            return await self._sandbox(question)
        if (found := await self._record(KUBERNETES, candidate.container_id)) is not None:
            return await self._of_record(question, KUBERNETES, found)
        others = sorted(self.namespaces - {KUBERNETES})
        records = await asyncio.gather(*(self._record(name, candidate.container_id) for name in others))
        for name, record in zip(others, records, strict=True):
            if record is not None:
                return await self._of_record(question, name, record)
        return _NOT_FOUND

    async def _container(self, question: Question) -> Answer:
        response = await self._cri.container_status(question.candidate.container_id)
        status, read = response.status, verbose.read(response.info)
        image, pod = await asyncio.gather(
            self._images.of_status(status, read.requested, read.requested_source),
            self._pods.of_sandbox(read.sandbox_id) if read.sandbox_id else _nothing(),
            return_exceptions=True,
        )
        facts = container_facts(
            question.candidate,
            self.runtime,
            status,
            verbose=read,
            image=image if isinstance(image, Image) else unknown_image(read),
            pod=pod if isinstance(pod, Pod) else None,
        )
        for failed in (image, pod):
            if isinstance(failed, CallError):
                return _miss(failed, facts)
            if isinstance(failed, BaseException):
                raise failed
        return facts

    async def _sandbox(self, question: Question) -> Answer:
        response = await self._cri.sandbox_status(question.candidate.container_id)
        read = verbose.read(response.info)
        ready = response.status.state == cri_pb2.SANDBOX_READY
        return sandbox_facts(
            question.candidate,
            self.runtime,
            await self._images.of_name(read.image or "", "cri.info.image"),
            self._pods.of_status(response.status),
            resources=limits_from_spec(read.resources, "cri.info.runtimeSpec"),
            state=State.RUNNING if ready else State.EXITED,
            created_ns=response.status.created_at or None,
        )

    async def _of_record(self, question: Question, namespace: str, record: containerd_pb2.ContainerRecord) -> Answer:
        """Answer from containerd's record of a container."""
        candidate = question.candidate
        if namespace == MOBY:
            return _DOCKERS
        if namespace != KUBERNETES:
            image = await self._images.of_record(namespace, record.image)
            return record_facts(candidate, self.runtime, record, image)
        is_sandbox = labels_of(record.labels).get(KIND) == "sandbox"
        pod = self._pods.of_record(record) if is_sandbox else None
        if pod is None or not self._has_cri:
            partial = unchecked_facts(self.runtime, record, sandbox=is_sandbox)
            return Miss(reason="NotInCRI", message=partial.message or "", partial=partial, again=self._has_cri)
        return sandbox_facts(
            candidate,
            self.runtime,
            await self._images.of_name(record.image, "containerd.container"),
            pod,
            resources=record_resources(record),
            state=None,
            created_ns=record.created_at.ToNanoseconds() or None,
        )

    async def _record(self, namespace: str, container_id: str) -> containerd_pb2.ContainerRecord | None:
        if self._containerd is None or not is_identifier(container_id) or not is_identifier(namespace):
            return None
        try:
            return await self._containerd.container(namespace, container_id)
        except CallError as error:
            if error.failure is Failure.NOT_FOUND:
                return None
            raise

    async def _listed(self, questions: Sequence[Question]) -> tuple[set[str], set[str]]:
        """Return the ids of CRI's containers and sandboxes; empty where nobody asks about one of CRI's."""
        if not self._has_cri or all(not _may_be_cris(each) for each in questions):
            return set(), set()
        containers, sandboxes = await asyncio.gather(self._cri.containers(), self._cri.sandboxes())
        return {each.id for each in containers}, {each.id for each in sandboxes}

    async def _recorded(self, questions: Sequence[Question]) -> dict[int, tuple[str, containerd_pb2.ContainerRecord]]:
        """Look for containerd's records of candidates, in the namespace that their path shows or else in all."""
        found: dict[int, tuple[str, containerd_pb2.ContainerRecord]] = {}
        if self._containerd is None:
            return found
        sought = [each for each in questions if is_identifier(each.candidate.container_id)]
        for namespace in sorted(self.namespaces | {KUBERNETES}):
            keys = {
                each.candidate.container_id: each.key
                for each in sought
                if each.key not in found and each.candidate.namespace in {None, namespace}
            }
            ids = list(keys)
            for start in range(0, len(ids), _FILTERS):
                for record in await self._containerd.containers(namespace, ids[start : start + _FILTERS]):
                    if record.id in keys:
                        found[keys[record.id]] = (namespace, record)
        return found


def _may_be_cris(question: Question) -> bool:
    return question.candidate.namespace in {None, KUBERNETES}


def _miss(error: CallError, found: Facts | None = None) -> Miss:
    again = error.failure not in {Failure.INVALID, Failure.UNIMPLEMENTED}
    partial = None if found is None else partly(found, error.failure, str(error))
    return Miss(reason=error.failure, message=str(error), partial=partial, again=again)


def _done(answer: Answer) -> asyncio.Future[Answer]:
    done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    done.set_result(answer)
    return done


def _lacks_it(error: BaseException) -> bool:
    return isinstance(error, CallError) and error.failure is Failure.UNIMPLEMENTED


async def _nothing() -> None:
    return None
