"""A listener for `GET /metrics` in the agent's own loop.

prometheus_client's server answers in threads of its own, and there the journal could not be asked: it belongs to the
loop's thread. What is needed of HTTP is one request and one answer, and so it is written here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

_REQUEST_BYTES: Final = 8192
_REQUEST_SECONDS: Final = 5.0
_CONNECTIONS: Final = 16

Render = Callable[[str], tuple[bytes, str]]
"""Gives body and content type for an Accept header."""


def address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT`, with an IPv6 address in brackets. Raises ValueError, saying what is expected."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is no HOST:PORT, as 127.0.0.1:9876 or [::1]:9876")
    if int(port) > 65535:  # noqa: PLR2004  # the largest port there is
        raise ValueError(f"{text!r}: a port is at most 65535")
    return host[1:-1] if bracketed else host, int(port)


@asynccontextmanager
async def serving(host: str, port: int, render: Render) -> AsyncIterator[int]:
    """Listen inside the context; gives the port. Raises OSError where the address can't be had."""
    listener = Listener(render)
    server = await asyncio.start_server(listener.answer, host, port, limit=_REQUEST_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await listener.close()
        await server.wait_closed()


class Listener:
    """Answers one request a connection, at most 16 connections at once, each for at most some seconds."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._open: set[asyncio.StreamWriter] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def close(self) -> None:
        """Let go of everybody who still asks."""
        for writer in self._open:
            writer.transport.abort()
        await self._idle.wait()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection and close it."""
        if len(self._open) >= _CONNECTIONS:
            writer.transport.abort()
            return
        self._open.add(writer)
        self._idle.clear()
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                writer.write(await self._response(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):  # who asked is gone, or too slow
            writer.transport.abort()
        finally:
            self._open.remove(writer)
            if not self._open:
                self._idle.set()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        request, *fields = head.decode("latin-1").split("\r\n")
        match request.split(" "):
            case ["GET", target, version] if version in {"HTTP/1.0", "HTTP/1.1"}:
                if target.partition("?")[0] != "/metrics":
                    return _response(HTTPStatus.NOT_FOUND)
            case [_, _, version] if version in {"HTTP/1.0", "HTTP/1.1"}:
                return _response(HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET\r\n")
            case _:
                return _response(HTTPStatus.BAD_REQUEST)
        accept = ",".join(
            value.strip() for name, _, value in (field.partition(":") for field in fields) if name.lower() == "accept"
        )
        body, content_type = self._render(accept)
        return _response(HTTPStatus.OK, f"Content-Type: {content_type}\r\n", body)


def _response(status: HTTPStatus, fields: str = "", body: bytes = b"") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n{fields}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
