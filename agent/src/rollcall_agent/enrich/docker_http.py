"""Plain HTTP/1.1 over one unix socket: one GET a connection, everything bounded, failures have the names of all others.

A client of our own, because it is the smallest: measured in memory, aiodocker with aiohttp costs 14.8 MiB and httpx
4 MiB above asyncio, this nothing that can be seen, and a daemon's answer needs no more of HTTP than is here.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Final

import msgspec
from msgspec import Struct

from rollcall.text import printable
from rollcall_agent.enrich.channel import CallError, Failure

CALL_SECONDS: Final = 5.0
LIST_SECONDS: Final = 10.0

_UNDER_WAY: Final = 16
_LARGEST: Final = 16 << 20
_HEAD: Final = 32 << 10
"""Bytes of a status line with all headers, of a chunk's first line and of a trailer."""
_TRAILERS: Final = 16
_DETAIL: Final = 300

_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,16}")
_OK: Final = 200
_FAILURES: Final = {
    400: Failure.INVALID,
    401: Failure.DENIED,
    403: Failure.DENIED,
    404: Failure.NOT_FOUND,
    405: Failure.UNIMPLEMENTED,
    501: Failure.UNIMPLEMENTED,
    503: Failure.UNAVAILABLE,
}


class NotHttpError(Exception):
    """What was read is no answer of HTTP/1.1, or one with parts that are not read here."""


class OversizedError(Exception):
    """An answer is larger than is read."""


class _Words(Struct):
    message: str = ""


class UnixHttp:
    """Asks one daemon. Failures other than "not found" are counted in `errors`."""

    def __init__(self, path: str, errors: Counter[str]) -> None:
        self._path = path
        self._errors = errors
        self._slots = asyncio.Semaphore(_UNDER_WAY)

    async def get(self, target: str, *, listing: bool = False) -> bytes:
        """Return the body of an answer 200. Raises CallError.

        A `listing` may take longer, and waits for no place among the other calls: these may all wait for containers
        whose start holds their locks.
        """
        seconds = LIST_SECONDS if listing else CALL_SECONDS
        async with AsyncExitStack() as stack:
            if not listing:
                await stack.enter_async_context(self._slots)
            try:
                async with asyncio.timeout(seconds):
                    status, body = await self._exchange(target)
            except TimeoutError:
                raise self.refuse(target, f"no answer within {seconds:g} s", Failure.HUNG) from None
            except PermissionError as error:
                raise self.refuse(target, str(error), Failure.DENIED) from None
            except (OSError, asyncio.IncompleteReadError) as error:
                raise self.refuse(target, str(error), Failure.UNAVAILABLE) from None
            except OversizedError:
                message = f"the answer is larger than {_LARGEST >> 20} MiB"
                raise self.refuse(target, message, Failure.OVERSIZED) from None
            except NotHttpError as error:
                raise self.refuse(target, str(error)) from None
        if status != _OK:
            raise self.refuse(target, _words(status, body), _FAILURES.get(status, Failure.OTHER))
        return body

    def refuse(self, target: str, message: str, failure: Failure = Failure.MALFORMED) -> CallError:
        """Count a failure, or an answer that came and says what cannot be, and return the error to raise."""
        if failure is not Failure.NOT_FOUND:
            self._errors[failure] += 1
        return CallError(failure, f"GET {target.partition('?')[0]}: {message}"[:_DETAIL])

    async def _exchange(self, target: str) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_HEAD)
        try:
            # No drain: a few bytes, and a daemon that does not read them does not answer either.
            writer.write(f"GET {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode("ascii"))
            return await read_answer(reader)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader, largest: int = _LARGEST) -> tuple[int, bytes]:
    """Read one answer (RFC 9112): its status and its body of at most `largest` bytes.

    Raises:
        NotHttpError: it is malformed, or framed in a way that a daemon does not use.
        OversizedError: the body is larger, or says that it is.
        asyncio.IncompleteReadError: the connection ended before the answer did.
    """
    first, *lines = (await _until(reader, b"\r\n\r\n"))[:-4].split(b"\r\n")
    version, _, rest = first.partition(b" ")
    code = rest.partition(b" ")[0]
    if version not in {b"HTTP/1.1", b"HTTP/1.0"} or len(code) != 3 or not code.isdigit():  # noqa: PLR2004
        raise NotHttpError(f"no status line of HTTP/1.1: {printable(first[:40], 60)}")
    return int(code), await _body(reader, _headers(lines), largest)


def _headers(lines: list[bytes]) -> Mapping[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():  # folded lines too: they begin with a blank
            raise NotHttpError(f"no header: {printable(line[:40], 60)}")
        name, value = name.lower(), value.strip(b" \t")
        if name in {b"content-length", b"transfer-encoding"} and headers.get(name, value) != value:
            raise NotHttpError(f"two different headers {name.decode('ascii')}")
        headers[name] = value
    return headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[bytes, bytes], largest: int) -> bytes:
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != b"chunked":
            raise NotHttpError("a transfer coding beside a length, or another one than chunked")
        return await _chunks(reader, largest)
    if length is None:
        return await _to_the_end(reader, largest)
    if not length.isdigit():
        raise NotHttpError(f"no length: {printable(length[:40], 60)}")
    if len(length) > len(str(largest)) or int(length) > largest:
        raise OversizedError
    return await reader.readexactly(int(length))


async def _to_the_end(reader: asyncio.StreamReader, largest: int) -> bytes:
    body = bytearray()
    while piece := await reader.read(_HEAD):
        body += piece
        if len(body) > largest:
            raise OversizedError
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader, largest: int) -> bytes:
    body = bytearray()
    while True:
        line = (await _until(reader, b"\r\n"))[:-2].partition(b";")[0].strip(b" \t")
        if not _CHUNK.fullmatch(line):
            raise NotHttpError(f"no size of a chunk: {printable(line[:40], 60)}")
        size = int(line, 16)
        if size == 0:
            break
        if len(body) + size > largest:
            raise OversizedError
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise NotHttpError("a chunk is longer than it says")
    for _ in range(_TRAILERS):
        if await _until(reader, b"\r\n") == b"\r\n":
            return bytes(body)
    raise NotHttpError("trailers without an end")


async def _until(reader: asyncio.StreamReader, end: bytes) -> bytes:
    try:
        return await reader.readuntil(end)
    except asyncio.LimitOverrunError:
        raise NotHttpError(f"a line or head of more than {_HEAD} bytes") from None
    except asyncio.IncompleteReadError as error:
        # Another protocol's server says something else, or hangs up at once.
        if error.partial and not b"HTTP/1.1".startswith(error.partial[:8]):
            raise NotHttpError(f"no answer of HTTP/1.1: {printable(error.partial[:40], 60)}") from None
        raise


def _words(status: int, body: bytes) -> str:
    """Give a daemon's own words for what went wrong."""
    try:
        message = msgspec.json.decode(body, type=_Words).message
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        message = ""
    return f"status {status}: {printable(message, _DETAIL)}" if message else f"status {status}"
