"""Asks CRI every 2 ms which sandboxes there are, and writes when it was asked the question that showed each first."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from rollcall_agent.enrich.proto import cri_pb2 as pb

_EVERY_S: Final = 0.002


class FirstAnswers:
    """What a poller has written until now."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, int]:
        """Return the wall-clock time, ns, of each sandbox's first answer, by id."""
        pairs = (line.split() for line in self._file.read_text().splitlines(keepends=True) if line.endswith("\n"))
        return {container_id: int(asked) for asked, container_id in pairs}


@contextmanager
def polling(endpoint: str, file: Path) -> Iterator[FirstAnswers]:
    """Poll during the block, in a process of its own."""
    with (
        file.open("wb") as lines,
        subprocess.Popen([sys.executable, "-m", "bench.first_answers", endpoint], stdout=lines) as process,
    ):
        try:
            yield FirstAnswers(file)
        finally:
            process.terminate()


def _poll(endpoint: str) -> None:
    with grpc.insecure_channel(endpoint) as channel:
        ask: Callable[..., pb.ListPodSandboxResponse] = channel.unary_unary(
            "/runtime.v1.RuntimeService/ListPodSandbox", response_deserializer=pb.ListPodSandboxResponse.FromString
        )
        known: set[str] = set()
        while True:
            asked = time.time_ns()
            for item in ask(b"", timeout=10).items:
                if item.id not in known:
                    known.add(item.id)
                    sys.stdout.write(f"{asked} {item.id}\n")
                    sys.stdout.flush()
            time.sleep(_EVERY_S)


if __name__ == "__main__":
    _poll(sys.argv[1])
