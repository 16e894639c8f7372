"""The listener: one GET, bounded in every direction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import pytest_asyncio

from rollcall_agent.metrics import serve as listener
from rollcall_agent.metrics.serve import address, serving

DEADLINE_S = 10
SCRAPE = b"GET /metrics HTTP/1.1\r\n\r\n"


def render(accept: str) -> tuple[bytes, str]:
    return b"accepted " + accept.encode(), "text/plain"


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    async with serving("127.0.0.1", 0, render) as port:
        yield port


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def ask(port: int, request: bytes) -> bytes:
    """Send a request; give the whole answer, nothing where the connection was reset."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        with suppress(ConnectionResetError):
            return await reader.read()
    return b""


async def test_a_scrape(port: int) -> None:
    answer = await ask(port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\naCCept: text/plain;q=0.5\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/plain",
        b"Content-Length: 25",
        b"Connection: close",
    ]
    assert body == b"accepted text/plain;q=0.5"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed\r\nAllow: GET"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /metrics/../x HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"GET /metrics\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/2\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\xff\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 9000 + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
    ],
)
async def test_anything_else_is_refused(port: int, request_: bytes, status: bytes) -> None:
    assert (await ask(port, request_)).startswith(b"HTTP/1.1 " + status)


async def test_who_says_nothing_is_let_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_REQUEST_SECONDS", 0.01)
    assert await ask(port, b"GET /metrics HTTP/1.1\r\n") == b""


async def test_who_leaves_early_hurts_nobody(port: int) -> None:
    for request in (b"", b"GET /met"):
        async with connected(port) as (_, writer):
            writer.write(request)
    assert (await ask(port, SCRAPE)).startswith(b"HTTP/1.1 200")


async def test_too_many_at_once_are_let_go_and_later_ones_served(port: int) -> None:
    async with AsyncExitStack() as silent:
        for _ in range(16):
            await silent.enter_async_context(connected(port))
        assert await ask(port, SCRAPE) == b""
    async with asyncio.timeout(DEADLINE_S):
        while not (await ask(port, SCRAPE)).startswith(b"HTTP/1.1 200"):
            pass


async def test_closing_lets_go_of_who_still_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_REQUEST_SECONDS", 3600)
    async with asyncio.timeout(DEADLINE_S), AsyncExitStack() as silent:
        async with serving("127.0.0.1", 0, render) as port:
            reader, writer = await silent.enter_async_context(connected(port))
            writer.write(b"GET /metrics")
            assert (await ask(port, SCRAPE)).startswith(b"HTTP/1.1 200")
        assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await ask(port, SCRAPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:9876", ("127.0.0.1", 9876)), ("[::1]:1", ("::1", 1)), ("localhost:65535", ("localhost", 65535))],
)
def test_an_address(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "9876", ":9876", "host:", "host:x", "::1:9876", "host:65536", "host:-1", "host:²"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|at most 65535"):
        address(text)
