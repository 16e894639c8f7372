"""One program of the laboratory: started, waited for, stopped by its pid."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

from lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Program:
    """A process in a session of its own, so that a person's Ctrl-C does not end it before its turn."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command = list(command)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ProcessLookupError(f"{self.command[0]} is not running")
        return self._process.pid

    def start(self, ready: Callable[[], bool]) -> None:
        """Start it and return once it is `ready`; raise ChildProcessError with the log's end where it ends before."""
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

        def answered() -> bool:
            if process.poll() is not None:
                text = self.log.read_text(errors="replace")[-2000:]
                raise ChildProcessError(f"{self.command[0]} ended with {process.returncode}:\n{text}")
            return ready()

        wait_until(answered, f"{self.command[0]} answers ({self.log})")

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal and wait for the end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None
