"""Finds out who listens at a socket: a daemon that speaks HTTP (Docker), or a runtime that speaks gRPC."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import PurePath
from typing import Final, Protocol

from rollcall.record import Runtime
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.docker import DockerClient
from rollcall_agent.enrich.facts import Listing
from rollcall_agent.enrich.race import Responder
from rollcall_agent.enrich.runtime import RuntimeClient

_ACCEPT_SECONDS: Final = 1.0
_OTHER_PROTOCOL: Final = frozenset({Failure.UNAVAILABLE, Failure.MALFORMED})
"""How it looks when the other side does not understand: it hangs up, or what it says can't be read."""


class Client(Responder, Protocol):
    """A runtime that has answered once."""

    endpoint: str
    runtime: Runtime

    @property
    def namespaces(self) -> frozenset[str]:
        """Containerd's namespaces as far as they are known, empty for others."""

    async def refresh_namespaces(self) -> None:
        """Ask for the namespaces again. Raises CallError."""

    async def list_all(self) -> Listing:
        """List everything. Never raises but when cancelled: an error is in the listing."""

    async def close(self) -> None:
        """Let go of the socket."""


async def connect(path: str, errors: Counter[str]) -> Client:
    """Find out who answers at a socket. Raises CallError where nobody does, or nobody who is known.

    The name says what is tried first, so that no server is greeted in the wrong language each second and complains of
    it in its log; the other is tried only where the first failed as it does then.
    """
    first: type[RuntimeClient | DockerClient]
    first, second = (DockerClient, RuntimeClient) if _is_dockers(path) else (RuntimeClient, DockerClient)
    before = errors.copy()
    try:
        return await first.connect(path, errors)
    except CallError as error:
        failed, counted = error, errors.copy()
    if failed.failure not in _OTHER_PROTOCOL or not await _somebody_listens(path):
        raise failed
    _set(errors, before)
    try:
        return await second.connect(path, errors)
    except CallError as error:
        if error.failure not in _OTHER_PROTOCOL:  # it was the right language, and this is what is wrong
            raise
    _set(errors, counted)
    raise failed


async def _somebody_listens(path: str) -> bool:
    """Say whether a connection is accepted: gRPC's first channel costs 20 MiB, too much for a daemon that is down."""
    try:
        async with asyncio.timeout(_ACCEPT_SECONDS):
            _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def _set(errors: Counter[str], to: Counter[str]) -> None:
    """Count as if a call in the wrong language had not been made."""
    errors.clear()
    errors.update(to)


def _is_dockers(path: str) -> bool:
    return PurePath(path).name == "docker.sock"
