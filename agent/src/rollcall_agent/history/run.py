"""Runs a command with bytes on its standard input, for so long and no longer; without a shell, a thread or a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

ENDED_WELL: Final = "exit status 0"


async def run(command: Sequence[str], given: bytes, deadline_s: float) -> str:
    """Run a command, whose output nobody reads, and say in words how it ended.

    What it was given is in a file in memory: nothing can block on a command that does not read. It runs in a session
    of its own, which is killed as a whole after the deadline, or where this is cancelled.
    """
    held = os.memfd_create("rollcall-violation", os.MFD_CLOEXEC)
    try:
        os.write(held, given)
        os.lseek(held, 0, os.SEEK_SET)
        process = subprocess.Popen(  # noqa: ASYNC220, S603  # forks and does not wait; the command is its user's own
            list(command),
            stdin=held,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"it can't be run: {error}"
    finally:
        os.close(held)
    try:
        async with asyncio.timeout(deadline_s):
            await _ended(process.pid)
    except TimeoutError:
        _kill(process)
        return f"killed after {deadline_s:g} s"
    except BaseException:
        _kill(process)
        raise
    status = process.wait()
    return f"exit status {status}" if status >= 0 else f"signal {-status}"


async def _ended(pid: int) -> None:
    """Wait for the end of a child, by its descriptor (pidfd_open(2), Linux 5.3)."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    watched = os.pidfd_open(pid)
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
