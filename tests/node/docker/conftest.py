"""What the tests on Docker share: one daemon a session with images from a registry of its own, and `rollcall watch`."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lab.docker import PROGRAMS, Docker, docker
from lab.images import Image, make_image
from lab.registry import Registry, registry
from lab.scratch import scratch
from lab.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Begin = Callable[..., Watch]


@dataclass(frozen=True)
class DockerLab:
    """A daemon, a registry, and an image that was pulled from one to the other."""

    docker: Docker
    registry: Registry
    image: Image
    reference: str


@pytest.fixture(scope="session")
def lab() -> Iterator[DockerLab]:
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}: `make test` installs what Debian has")
    with ExitStack() as stack:
        place = stack.enter_context(scratch())
        hub = stack.enter_context(registry(place))
        image = make_image("shop")
        hub.push(image, "lab/shop", "1")
        daemon = stack.enter_context(docker(place))
        reference = f"{hub.address}/lab/shop:1"
        daemon.pull(reference)
        yield DockerLab(daemon, hub, image, reference)


@pytest.fixture(autouse=True)
def _nothing_left(lab: DockerLab) -> Iterator[None]:
    yield
    lab.docker.remove_all()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def begin(lab: DockerLab, journal: Path) -> Iterator[Begin]:
    """Start `rollcall watch` on the daemon, as often as wanted; all are ended with the test."""
    with ExitStack() as stack:

        def begin(*options: str) -> Watch:
            return stack.enter_context(Watch(journal, "--runtime-endpoint", lab.docker.endpoint, *options))

        yield begin
