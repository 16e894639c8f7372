"""Lists all that one runtime has: CRI's containers and sandboxes, and what containerd has in other namespaces."""

from __future__ import annotations

import asyncio
from typing import Final

from rollcall.record import Runtime
from rollcall_agent.enrich.channel import CallError
from rollcall_agent.enrich.compose import STATES, record_cgroups_path
from rollcall_agent.enrich.containerd import KUBERNETES, Containerd
from rollcall_agent.enrich.cri import Cri
from rollcall_agent.enrich.facts import Listed, Listing, State
from rollcall_agent.enrich.proto import containerd_pb2, cri_pb2

_TASK_STATES: Final = {
    containerd_pb2.CREATED: State.CREATED,
    containerd_pb2.RUNNING: State.RUNNING,
    containerd_pb2.STOPPED: State.EXITED,
    containerd_pb2.PAUSED: State.RUNNING,
    containerd_pb2.PAUSING: State.RUNNING,
}


async def list_runtime(endpoint: str, runtime: Runtime, cri: Cri | None, containerd: Containerd | None) -> Listing:
    """List one runtime; where a part can't be had, nothing but the error is given. Raises only when cancelled."""
    try:
        shown, others = await asyncio.gather(_of_cri(runtime, cri, containerd), _of_containerd(runtime, containerd))
    except CallError as error:
        return Listing(endpoint=endpoint, runtime=runtime, error=str(error))
    return Listing(endpoint=endpoint, runtime=runtime, items=(*shown, *others))


async def _of_cri(runtime: Runtime, cri: Cri | None, containerd: Containerd | None) -> list[Listed]:
    if cri is None:
        return []
    containers, sandboxes, tasks = await asyncio.gather(
        cri.containers(), cri.sandboxes(), _tasks(containerd, KUBERNETES)
    )
    listed = [
        Listed(
            container_id=each.id,
            runtime=runtime,
            state=STATES.get(each.state, State.UNKNOWN),
            sandbox=False,
            created_ns=each.created_at or None,
            pid=_pid(tasks.get(each.id)),
        )
        for each in containers
    ]
    for each in sandboxes:
        ready = each.state == cri_pb2.SANDBOX_READY
        listed.append(
            Listed(
                container_id=each.id,
                runtime=runtime,
                state=State.RUNNING if ready else State.EXITED,
                sandbox=True,
                created_ns=each.created_at or None,
                pid=_pid(tasks.get(each.id)),
            )
        )
    return listed


async def _of_containerd(runtime: Runtime, containerd: Containerd | None) -> list[Listed]:
    """List what CRI does not show, Docker's containers in `moby` too."""
    if containerd is None:
        return []
    listed = []
    for namespace in await containerd.namespaces():
        if namespace == KUBERNETES:
            continue
        records, tasks = await asyncio.gather(containerd.containers(namespace), _tasks(containerd, namespace))
        for record in records:
            task = tasks.get(record.id)
            listed.append(
                Listed(
                    container_id=record.id,
                    runtime=runtime,
                    # Without a task it has not started, or has ended and its task was deleted: no process either way.
                    state=State.CREATED if task is None else _TASK_STATES.get(task.status, State.UNKNOWN),
                    sandbox=False,
                    namespace=namespace,
                    created_ns=record.created_at.ToNanoseconds() or None,
                    finished_ns=_exited_ns(task),
                    pid=_pid(task),
                    cgroups_path=record_cgroups_path(record),
                )
            )
    return listed


async def _tasks(containerd: Containerd | None, namespace: str) -> dict[str, containerd_pb2.Task]:
    return {} if containerd is None else {task.id: task for task in await containerd.tasks(namespace)}


def _pid(task: containerd_pb2.Task | None) -> int | None:
    running = task is not None and task.status != containerd_pb2.STOPPED
    return task.pid or None if task is not None and running else None


def _exited_ns(task: containerd_pb2.Task | None) -> int | None:
    """Return when a task ended. containerd gives Go's zero time, in the year 1, for one that has not."""
    if task is None or task.exited_at.seconds <= 0:
        return None
    return task.exited_at.ToNanoseconds()
