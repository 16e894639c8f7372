"""Runs a command with bytes on its standard input, for so long and no longer; without a shell, a thread or a pipe."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

ENDED_WELL: Final = "exit status 0"

_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
"""Takes from this thread what only a program that it executes would get: its own capabilities stay (prctl(2))."""

_LIBC: Final = ctypes.CDLL(None)


async def run(command: Sequence[str], given: bytes, deadline_s: float) -> str:
    """Run a command, whose output nobody reads, and say in words how it ended.

    What it was given is in a file in memory: nothing can block on a command that does not read. It runs in a session
    of its own, which is killed as a whole after the deadline, or where this is cancelled.
    """
    try:
        process = _start(command, given)
    except (OSError, ValueError) as error:
        return f"it can't be run: {error}"
    try:
        async with asyncio.timeout(deadline_s):
            await _ended(process.pid)
    except TimeoutError:
        await _kill(process)
        return f"killed after {deadline_s:g} s"
    except OSError as error:
        await _kill(process)
        return f"killed, for nobody can wait for its end: {error}"
    except BaseException:
        await _kill(process)
        raise
    status = process.wait()
    return f"exit status {status}" if status >= 0 else f"signal {-status}"


def _start(command: Sequence[str], given: bytes) -> subprocess.Popen[bytes]:
    held = os.memfd_create("rollcall-violation", os.MFD_CLOEXEC)
    try:
        os.write(held, given)
        os.lseek(held, 0, os.SEEK_SET)
        _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        return subprocess.Popen(  # noqa: S603  # the command is its user's own
            list(command),
            stdin=held,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(held)


async def _ended(pid: int) -> None:
    """Wait for the end of a child, by its descriptor (pidfd_open(2), Linux 5.3)."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    watched = os.pidfd_open(pid)
    try:
        loop.add_reader(watched, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


async def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a session and wait a second at most for its end; `subprocess` reaps what takes longer, at its next start."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(100):
        if process.poll() is not None:
            return
        await asyncio.sleep(0.01)
