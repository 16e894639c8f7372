"""`rollcall watch` as a child: its records with their times of arrival, its memory, its processor time."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench import stamp
from lab.waiting import wait_until
from rollcall.record import Resolution
from rollcall.times import nanoseconds
from rollcall_agent.collect.event import KernelLedger
from rollcall_agent.journal.reader import open_reader

ROLLCALL: Final = str(Path(sys.executable).with_name("rollcall"))
_PROBES: Final = {"core": "anon_inode:bpf_link", "bcc": "anon_inode:[perf_event]"}
_MIB: Final = 1024
_MS: Final = 1_000_000


class Pod(Struct):
    """What is read of a record's pod."""

    sandbox: bool | None = None


class Cgroup(Struct):
    """What is read of a record's cgroup."""

    path: str = ""


class Record(Struct):
    """What is read of a record; `arrived_ns` is wall-clock time."""

    resolution: str
    container_id: str = msgspec.field(name="containerID")
    ctime: str | None = None
    pod: Pod = msgspec.field(default_factory=Pod)
    cgroup: Cgroup = msgspec.field(default_factory=Cgroup)
    arrived_ns: int = 0

    @property
    def complete(self) -> bool:
        """Whether all was found out."""
        return self.resolution == Resolution.RESOLVED

    @property
    def latency_ms(self) -> float:
        """From the kernel's mkdir to the printed line."""
        return (self.arrived_ns - nanoseconds(self.ctime or "")) / _MS


class Memory(Struct, frozen=True):
    """MiB: what is resident, the peak of that, and the proportional set size."""

    resident: float
    peak: float
    proportional: float


class ProgramTime(Struct, frozen=True):
    """Runs of the probe's programs, and the time that they took."""

    runs: int
    ns: int


class Watch:
    """A running `rollcall watch`. Made by `watching`."""

    def __init__(self, process: subprocess.Popen[bytes], collector: str, journal: Path, stamped: Path) -> None:
        self._process = process
        self.collector = collector
        self.journal = journal
        self.records: list[Record] = []
        self._stamped = stamped
        self._at = 0
        self._decoder = msgspec.json.Decoder(Record)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def attached(self) -> bool:
        """Say whether both probes are there; raise ChildProcessError where it has ended."""
        if self._process.poll() is not None:
            raise ChildProcessError(f"rollcall watch ended with {self._process.returncode}")
        return len(self._descriptors(_PROBES[self.collector])) == 2  # noqa: PLR2004  # mkdir and rmdir

    def read(self) -> list[Record]:
        """Return all records that have come until now."""
        with self._stamped.open("rb") as file:
            file.seek(self._at)
            whole = file.read().rpartition(b"\n")[0]
        if whole:
            self._at += len(whole) + 1
        for line in whole.splitlines():
            stamped, _, record = line.partition(b" ")
            self.records.append(self._decoder.decode(record))
            self.records[-1].arrived_ns = int(stamped)
        return self.records

    def wait_for(self, made: Collection[str], seconds: float = 30.0) -> list[Record]:
        """Wait until all these ids have records, or in vain; return the first record of each that has one."""
        wanted = set(made)

        def came() -> bool:
            return wanted <= {record.container_id for record in self.read()}

        with suppress(TimeoutError):
            wait_until(came, "every start has a record", seconds=seconds)
        first: dict[str, Record] = {}
        for record in self.records:
            if record.container_id in wanted:
                first.setdefault(record.container_id, record)
        return list(first.values())

    def processor_ns(self) -> int:
        """Return the processor time of all its threads until now, by its own clock (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns(~self.pid << 3 | 2)

    def memory(self) -> Memory:
        """Return its memory now."""
        status = _kilobytes(Path(f"/proc/{self.pid}/status"))
        rollup = _kilobytes(Path(f"/proc/{self.pid}/smaps_rollup"))
        return Memory(status["VmRSS"] / _MIB, status["VmHWM"] / _MIB, rollup["Pss"] / _MIB)

    def program_time(self) -> ProgramTime:
        """Return the time of the probe's programs (bpf_prog_show_fdinfo in kernel/bpf/syscall.c)."""
        programs = {}
        for descriptor in self._descriptors("anon_inode:bpf-prog"):
            text = Path(f"/proc/{self.pid}/fdinfo/{descriptor}").read_text()
            fields = dict(re.findall(r"^(prog_id|run_time_ns|run_cnt):\s+(\d+)$", text, re.MULTILINE))
            programs[fields["prog_id"]] = ProgramTime(int(fields["run_cnt"]), int(fields["run_time_ns"]))
        return ProgramTime(sum(it.runs for it in programs.values()), sum(it.ns for it in programs.values()))

    def kernel_sum(self, of: Callable[[KernelLedger], int]) -> int:
        """Sum something over the kernel's ledgers, as the journal has them: at most a second old."""
        with open_reader(self.journal) as reader:
            return sum(of(row.ledger) for row in reader.books().kernel)

    def submitted(self) -> int:
        """Return how many records the kernel has submitted, of starts and of ends."""
        return self.kernel_sum(lambda ledger: ledger.mkdirs.submitted + ledger.rmdirs.submitted)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it in order."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def _descriptors(self, what: str) -> list[str]:
        found = []
        with suppress(FileNotFoundError):
            for entry in Path(f"/proc/{self.pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    if str(entry.readlink()) == what:
                        found.append(entry.name)
        return found


@contextmanager
def watching(
    folder: Path, collector: str, endpoint: str, *, journal: str = "journal", options: Collection[str] = ()
) -> Iterator[Watch]:
    """Run `rollcall watch` during the block, attached from its begin on; its files lie in `folder`."""
    with started(folder, collector, endpoint, journal=journal, options=options) as watch:
        wait_until(watch.attached, "rollcall watch has attached")
        yield watch


@contextmanager
def started(
    folder: Path, collector: str, endpoint: str, *, journal: str = "journal", options: Collection[str] = ()
) -> Iterator[Watch]:
    """Start `rollcall watch` and end it with the block, without waiting for anything."""
    folder.mkdir(parents=True, exist_ok=True)
    path, stamped = folder / journal, folder / f"{journal}.{time.monotonic_ns()}.lines"
    how = ["--output", "json", "--collector", collector, "--runtime-endpoint", endpoint, "--journal", str(path)]
    with (
        stamped.open("wb") as lines,
        subprocess.Popen([ROLLCALL, "watch", *how, *options], stdout=subprocess.PIPE) as process,
        subprocess.Popen([sys.executable, "-SE", str(stamp.__file__)], stdin=process.stdout, stdout=lines) as reader,
    ):
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        process.stdout.close()  # the reader's now, so that it ends with the writer
        watch = Watch(process, collector, path, stamped)
        try:
            yield watch
        finally:
            watch.end()
            reader.wait(60)


def _kilobytes(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", file.read_text(), re.MULTILINE)}
