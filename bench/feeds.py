"""Makes what is measured: containers by `ctr` and by CRI, pods, and directories of a container's shape.

Every feed returns the ids that it made.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.machine import pace
from lab.cri import Pod
from lab.node_lab import NodeLab
from lab.waiting import wait_until

POD_UID: Final = "8c0a7b8e-0000-4000-8000-000000000001"
TOGETHER: Final = 4
_PODS: Final = 4


def ctr_runs(lab: NodeLab, count: int, *command: str) -> list[str]:
    """Run containers by `ctr run --rm`, four at a time, until all have ended."""
    ids = [f"bench-{secrets.token_hex(8)}" for _ in range(count)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(lambda each: lab.ctr.run_to_its_end(lab.reference, each, *command), ids))
    return ids


def ctr_starts(lab: NodeLab, count: int, rate: float) -> Iterator[str]:
    """Start containers by `ctr run --detach` that go on, one after the other; yield the id of each."""
    begun = time.monotonic()
    for number in range(count):
        pace(number, rate, begun)
        container_id = f"bench-{secrets.token_hex(8)}"
        lab.ctr.run(lab.reference, container_id)
        yield container_id


def ctr_remove(lab: NodeLab, ids: Sequence[str]) -> None:
    """End and forget containers that go on."""

    def remove(container_id: str) -> None:
        lab.ctr.end(container_id)
        lab.ctr.remove(container_id)

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(remove, ids))


@contextmanager
def pods(lab: NodeLab, count: int = _PODS) -> Iterator[list[Pod]]:
    """Have some pods during the block, to put containers into."""
    made = [lab.cri.run_pod(f"bench-{secrets.token_hex(4)}") for _ in range(count)]
    try:
        yield made
    finally:
        for pod in made:
            lab.cri.remove_pod(pod)


def cri_containers(lab: NodeLab, inside: Sequence[Pod], count: int, rate: float) -> list[str]:
    """Make and start containers in pods, so many a second, each to live a second."""
    turns = list(itertools.islice(itertools.cycle(inside), count))
    begun = time.monotonic()

    def run(number: int) -> str:
        pace(number, rate, begun)
        return lab.cri.run_container(turns[number], f"c{number}", lab.reference, "/bin/sleep", "1")

    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(run, range(count)))


def cri_pods(lab: NodeLab, count: int, rate: float) -> list[Pod]:
    """Run pods without containers, so many a second, one at a time."""
    made = []
    begun = time.monotonic()
    for number in range(count):
        pace(number, rate, begun)
        made.append(lab.cri.run_pod(f"bench-{secrets.token_hex(4)}"))
    return made


@contextmanager
def scripted(folder: Path) -> Iterator[Path]:
    """Run the scripted CRI server during the block; give its socket."""
    path = folder / f"scripted-{secrets.token_hex(4)}.sock"
    with subprocess.Popen([sys.executable, "-m", "bench.scripted", str(path)]) as process:

        def answers() -> bool:
            if process.poll() is not None:
                raise ChildProcessError(f"the scripted CRI server ended with {process.returncode}")
            return notices(path).exists()

        try:
            wait_until(answers, "the scripted CRI server answers")
            yield path
        finally:
            process.terminate()


def notices(path: Path) -> Path:
    """Where the scripted server of a socket is told of a container before it is made."""
    return path.with_suffix(".notices")


def churn(directory: Path, count: int, rate: float, server: Path | None = None) -> list[str]:
    """Make and remove containers' directories, which the scripted server knows, by a process of its own."""
    seed = secrets.token_hex(8)
    arguments = [str(directory), str(count), str(rate), seed, *([str(notices(server))] if server else [])]
    subprocess.run([sys.executable, "-m", "bench.feeds", *arguments], check=True)
    return list(_ids(seed, count))


def _churn(directory: Path, count: int, rate: float, seed: str, server: str | None) -> None:
    begun = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        if server is not None:
            sending.connect(server)
        for number, container_id in enumerate(_ids(seed, count)):
            pace(number, rate, begun)
            if server is not None:
                sending.send(container_id.encode())
            path = directory / container_id
            path.mkdir()
            path.rmdir()


def _ids(seed: str, count: int) -> Iterator[str]:
    return (hashlib.sha256(f"{seed}/{number}".encode()).hexdigest() for number in range(count))


if __name__ == "__main__":
    _churn(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], next(iter(sys.argv[5:]), None))
