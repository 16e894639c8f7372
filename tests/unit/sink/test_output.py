"""Standard output: everything in order, and a stalled reader stops nobody else."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from pathlib import Path

import pytest

from rollcall_agent.sink import output as output_module
from rollcall_agent.sink.output import Output

LINE = b"x" * 999 + b"\n"


async def test_a_stalled_reader_does_not_stop_the_loop() -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    output = Output(writing)

    async def write() -> None:
        for _ in range(64):
            await output.write(LINE)

    task = asyncio.ensure_future(write())
    turns = 0
    while turns < 100:  # the pipe is full long before; the loop goes on turning
        await asyncio.sleep(0)
        turns += 1
    assert not task.done()
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0))
    got = await asyncio.wait_for(stream.readexactly(64 * len(LINE)), 10)
    await asyncio.wait_for(task, 10)
    assert got == LINE * 64
    os.close(writing)


async def test_a_reader_that_is_gone_is_a_broken_pipe() -> None:
    reading, writing = os.pipe()
    output = Output(writing)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        await output.write(LINE)
    os.close(writing)


async def test_a_file_takes_everything(tmp_path: object) -> None:
    path = f"{tmp_path}/out"
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    await Output(fd).write(LINE * 5000)
    assert os.fstat(fd).st_size == 5000 * len(LINE)
    os.close(fd)


async def test_a_full_disk_is_waited_for_and_tears_no_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "out"
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    really, answers = os.write, iter([3, OSError(errno.ENOSPC, "full"), None])

    def write(fd: int, data: memoryview) -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return really(fd, data[:answer])

    monkeypatch.setattr(output_module, "_WAIT_S", 0.0)
    monkeypatch.setattr(os, "write", write)
    await Output(fd).write(b"a line\n")
    assert path.read_bytes() == b"a line\n"
    os.close(fd)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ECONNRESET, errno.EIO])
async def test_a_reader_that_is_gone_is_known_by_any_of_its_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    fd = os.open(tmp_path / "out", os.O_CREAT | os.O_RDWR, 0o600)

    def write(_fd: int, _data: memoryview) -> int:
        raise OSError(number, "gone")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(BrokenPipeError):
        await Output(fd).write(b"a line\n")
    os.close(fd)
