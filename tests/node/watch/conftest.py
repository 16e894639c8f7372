"""What the tests of `rollcall watch` share: the command itself on the laboratory's containerd, and what they start."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from lab.starting import Starter
from lab.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab.node_lab import NodeLab

    Begin = Callable[..., Watch]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def begin(node: NodeLab, journal: Path) -> Iterator[Begin]:
    """Start `rollcall watch` on the laboratory's containerd, as often as wanted; all are ended with the test."""
    with ExitStack() as stack:

        def begin(*options: str, **keywords: object) -> Watch:
            path = keywords.pop("journal", journal)
            socket = keywords.pop("socket", node.containerd.socket)
            endpoint = ["--runtime-endpoint", f"unix://{socket}"]
            return stack.enter_context(Watch(path, *endpoint, *options, **keywords))  # type: ignore[arg-type]

        yield begin


@pytest.fixture
def start(node: NodeLab) -> Iterator[Starter]:
    """Start containers with ids of the test's own; what still runs is removed with it."""
    with Starter(node, f"t{secrets.token_hex(4)}") as starter:
        yield starter


@pytest.fixture(params=["core", "bcc"])
def collector(request: pytest.FixtureRequest) -> str:
    """The collector that the test is run with: the same code holds for both."""
    if request.param == "bcc":
        request.getfixturevalue("tracefs")
    return str(request.param)
