"""The HTTP reader against answers of every kind: what a daemon says is read, what nobody should say is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall_agent.enrich import docker_http
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.docker_http import NotHttpError, OversizedError, UnixHttp, read_answer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LARGEST = 64


async def read(data: bytes, limit: int = 256) -> tuple[int, bytes]:
    reader = asyncio.StreamReader(limit=limit)
    reader.feed_data(data)
    reader.feed_eof()
    return await read_answer(reader, LARGEST)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (OK + b"content-length:2\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
        (OK + b"Content-Length: 0\r\n\r\n", (200, b"")),
        (OK + b"\r\n{}", (200, b"{}")),
        (b"HTTP/1.0 404\r\nContent-Length: 2\r\n\r\nno", (404, b"no")),
        (CHUNKED + b"0\r\n\r\n", (200, b"")),
        (CHUNKED + b"1;x=y\r\n{\r\n001\r\n}\r\n0\r\nT: x\r\n\r\n", (200, b"{}")),
        (CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", (200, b"0123456789")),
        (OK + b"Content-Length: 64\r\n\r\n" + b"x" * LARGEST, (200, b"x" * LARGEST)),
    ],
)
async def test_what_a_daemon_says_is_read(data: bytes, answer: tuple[int, bytes]) -> None:
    assert await read(data) == answer


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2 0 OK\r\n\r\n",
        "HTTP/1.1 ٢٠٠ OK\r\n\r\n".encode(),
        b"HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"SSH-2.0-x\r\n",
        OK + b"no header\r\n\r\n",
        OK + b"A: b\r\n folded: c\r\n\r\n",
        OK + b": nameless\r\n\r\n",
        OK + b"Content-Length : 2\r\n\r\n{}",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        OK + b"Content-Length: -2\r\n\r\n{}",
        OK + b"Content-Length: +2\r\n\r\n{}",
        OK + b"Content-Length: 0x2\r\n\r\n{}",
        OK + b"Content-Length: \r\n\r\n",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\n{}",
        CHUNKED + b"-1\r\n\r\n",
        CHUNKED + b"0x1\r\n{\r\n0\r\n\r\n",
        CHUNKED + b"1_0\r\n{\r\n0\r\n\r\n",
        CHUNKED + b"\r\n{\r\n",
        CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0\r\n" + b"T: x\r\n" * 20 + b"\r\n",
        CHUNKED + b"0" * 1000 + b"\r\n\r\n",
        OK + b"A: " + b"b" * 1000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(NotHttpError):
        await read(data)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 65\r\n\r\n",
        OK + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n",
        OK + b"\r\n" + b"x" * (LARGEST + 1),
        CHUNKED + b"41\r\n",
        CHUNKED + b"ffffffffffffffff\r\n",
        CHUNKED + (b"20\r\n" + b"x" * 32 + b"\r\n") * 3,
    ],
)
async def test_what_is_too_large_is_not_read(data: bytes) -> None:
    with pytest.raises(OversizedError):
        await read(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200", OK, OK + b"Content-Length: 3\r\n\r\n{}", CHUNKED, CHUNKED + b"2\r\n{", CHUNKED + b"0\r\n"],
)
async def test_an_answer_that_ends_early_is_none(data: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await read(data)


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=6))
def test_chunks_are_put_together(pieces: list[bytes]) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    assert asyncio.run(read(CHUNKED + chunks + b"0\r\n\r\n")) == (200, b"".join(pieces))


@given(st.binary(max_size=200), st.sampled_from([b"", OK, CHUNKED, OK + b"Content-Length: 9\r\n\r\n"]))
def test_any_bytes_are_an_answer_or_a_named_failure(data: bytes, before: bytes) -> None:
    try:
        status, body = asyncio.run(read(before + data))
    except (NotHttpError, OversizedError, asyncio.IncompleteReadError):
        return
    assert 0 <= status <= 999
    assert len(body) <= LARGEST


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def serving(path: Path, answer: bytes | None) -> AsyncIterator[list[bytes]]:
    """A server that answers each request alike; None: never."""
    asked: list[bytes] = []
    forever = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is None:
            await forever.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield asked
    finally:
        forever.set()
        server.close()
        await server.wait_closed()


def answered(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (answered("404 Not Found", b'{"message":"No such container"}'), Failure.NOT_FOUND),
        (answered("400 Bad Request", b'{"message":"client version 1.53 is too new"}'), Failure.INVALID),
        (answered("403 Forbidden", b""), Failure.DENIED),
        (answered("500 Internal Server Error", b'{"message":"layer does not exist"}'), Failure.OTHER),
        (answered("301 Moved Permanently", b""), Failure.OTHER),
        (answered("101 Switching Protocols", b""), Failure.OTHER),
        (b"", Failure.UNAVAILABLE),
        (b"\x00\x00\x12\x04", Failure.MALFORMED),
        (OK + b"Content-Length: 99999999\r\n\r\n", Failure.OVERSIZED),
    ],
)
async def test_failures_have_names_and_are_counted(tmp_path: Path, answer: bytes, failure: Failure) -> None:
    errors: Counter[str] = Counter()
    async with serving(tmp_path / "s", answer):
        with pytest.raises(CallError) as caught:
            await UnixHttp(str(tmp_path / "s"), errors).get("/version")
    assert caught.value.failure is failure
    assert errors == ({} if failure is Failure.NOT_FOUND else {failure: 1})


async def test_a_daemons_words_are_shown_safely_and_shortly(tmp_path: Path) -> None:
    body = b'{"message":"\\u001b[31m' + b"x" * 1000 + b'"}'
    async with serving(tmp_path / "s", answered("500 x", body)):
        with pytest.raises(CallError, match=r"GET /version: status 500: \\x1b\[31mxxx") as caught:
            await UnixHttp(str(tmp_path / "s"), Counter()).get("/version")
    assert len(str(caught.value)) <= 300


async def test_who_never_answers_is_hung_and_holds_up_no_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_http, "CALL_SECONDS", 0.2)
    monkeypatch.setattr(docker_http, "LIST_SECONDS", 0.1)
    async with serving(tmp_path / "s", None) as asked:
        http = UnixHttp(str(tmp_path / "s"), Counter())
        calls = [asyncio.ensure_future(http.get("/one")) for _ in range(20)]
        with pytest.raises(CallError) as caught:
            await http.get("/all", listing=True)
        assert caught.value.failure is Failure.HUNG
        assert sum(request.startswith(b"GET /one ") for request in asked) < len(calls)
        failed = await asyncio.gather(*calls, return_exceptions=True)
    assert {each.failure for each in failed if isinstance(each, CallError)} == {Failure.HUNG}
    assert len(asked) == len(calls) + 1


async def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(CallError) as caught:
        await UnixHttp(str(tmp_path / "absent"), Counter()).get("/version")
    assert caught.value.failure is Failure.UNAVAILABLE
