"""The bcc collector: the program compiled on this node by bcc, attached to the tracepoints by their fields' names.

For kernels without BTF, and because people know bcc. What it lacks beside CO-RE: pinning, the ancestors' ids and the
limit that needs them, the leaf of a cut path, and a user other than root (tracefs is root's).
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from mmap import PAGESIZE
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import structlog

from rollcall_agent.collect import wire
from rollcall_agent.collect.event import CgroupEvent, KernelLedger
from rollcall_agent.collect.headers import SOURCE_VARIABLE, Headers, find_headers
from rollcall_agent.collect.libbpf import Libbpf
from rollcall_agent.collect.problem import CollectorProblem
from rollcall_agent.collect.refusal import OLDEST, kernel_release, missing_capabilities, too_old
from rollcall_agent.collect.ring import RingReader, ring_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from rollcall_agent.collect.hierarchy import Hierarchy

SOURCE: Final = Path(__file__).with_name("rollcall.bcc.c")
TRACEFS: Final = (Path("/sys/kernel/debug/tracing"), Path("/sys/kernel/tracing"))
"""Where bcc looks, in its order (get_tracefs_path in src/cc/common.cc)."""

_DISTRIBUTION: Final = "/usr/lib/python3/dist-packages"
_TRACEPOINTS: Final = {b"cgroup_made": b"cgroup:cgroup_mkdir", b"cgroup_removed": b"cgroup:cgroup_rmdir"}
_ZERO: Final = bytes(4)
_LOG_LINES: Final = 30

log = structlog.get_logger()


def load_bcc() -> ModuleType:
    """Import bcc from the distribution's package, which a virtual environment does not see.

    Raises:
        CollectorProblem: it is missing, another project of that name, or broken.
    """
    spec = PathFinder.find_spec("bcc", [_DISTRIBUTION, *sys.path])
    remedy = (
        "Install the package python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora); `bcc` on PyPI is another project."
    )
    if spec is None or spec.loader is None:
        raise CollectorProblem("The Python package of bcc is not installed.", remedy)
    if spec.name in sys.modules:
        return sys.modules[spec.name]
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its submodules import it
    try:
        spec.loader.exec_module(module)
    except (ImportError, OSError, AttributeError) as error:
        del sys.modules[spec.name]
        raise CollectorProblem(f"bcc at {spec.origin} can't be imported: {error}.", remedy) from error
    if not hasattr(module, "BPF"):
        del sys.modules[spec.name]
        raise CollectorProblem(f"The Python package bcc at {spec.origin} is not the BPF Compiler Collection.", remedy)
    return module


def find_tracefs(places: tuple[Path, ...] = TRACEFS) -> Path:
    """Return the directory of the two tracepoints, `events/cgroup`.

    Raises:
        CollectorProblem: tracefs is not mounted, or closed to this user.
    """
    for place in places:
        events = place / "events" / "cgroup"
        try:
            (events / "cgroup_mkdir" / "id").read_text()
        except PermissionError as error:
            raise CollectorProblem(
                f"{error.filename} can't be read by uid {os.geteuid()}: tracefs is root's.",
                "Run as root with bcc, or use `--collector core`, which needs no tracefs.",
            ) from error
        except OSError:
            continue
        return events
    raise CollectorProblem(
        f"tracefs is not mounted: no cgroup tracepoints below {' or '.join(str(place) for place in places)}.",
        f"Mount it: `mount -t tracefs tracefs {places[-1]}`.",
    )


class BccCollector:
    """Implements `Collector` with bcc. Made by `attach`."""

    name = "bcc"
    pinned = False
    adopted = False
    older_attaches: ClassVar[list[int]] = []
    leftovers: ClassVar[list[str]] = []

    def __init__(self, bpf: Any, libbpf: Libbpf, *, hierarchy: Hierarchy, attach_number: int, size: int) -> None:  # noqa: ANN401  # bcc has no types
        self._bpf = bpf
        self._libbpf = libbpf
        self._hierarchy = hierarchy
        self.attach_number = attach_number
        self._events, self._counters, self._control = (
            int(bpf[name].map_fd) for name in (b"events", b"counters", b"control")
        )
        self._ring = RingReader(self._events, size)
        self._cpus = libbpf.possible_cpus()
        self._programs = [int(bpf.load_func(name, bpf.TRACEPOINT).fd) for name in _TRACEPOINTS]

    @classmethod
    def attach(cls, hierarchy: Hierarchy, *, attach_number: int, ring_size: int = 1 << 20) -> Self:
        """Compile, load and attach; a third of a second.

        Raises:
            CollectorProblem: what is missing and what to do.
        """
        release = os.uname().release
        if kernel_release(release) < OLDEST:
            raise too_old(release)
        bcc = load_bcc()
        find_tracefs()
        headers = find_headers(release, os.environ)
        size = ring_bytes(ring_size)
        flags = [f"-DRING_PAGES={size // PAGESIZE}", f"-I{SOURCE.parent}", *headers.flags()]
        log.debug("bcc compiles.", headers=headers.description)
        said: list[str] = []
        try:
            with ExitStack() as undo, _told(headers), _standard_error(said):
                bpf = bcc.BPF(text=SOURCE.read_bytes(), cflags=flags)
                undo.callback(bpf.cleanup)
                self = cls(bpf, Libbpf(), hierarchy=hierarchy, attach_number=attach_number, size=size)
                self.renew()  # before the first event: it would be counted as quiet
                for name, tracepoint in _TRACEPOINTS.items():
                    bpf.attach_tracepoint(tp=tracepoint, fn_name=name)
                undo.pop_all()
        except CollectorProblem:
            raise
        except Exception as error:  # bcc raises no other class
            raise _explain(error, headers, said) from error
        return self

    def fileno(self) -> int:
        """See `Collector`."""
        return self._events

    def read(self, limit: int) -> list[CgroupEvent]:
        """See `Collector`."""
        return [wire.decode(raw) for raw in self._ring.read(limit)]

    def acknowledge(self) -> None:
        """See `Collector`."""
        self._ring.acknowledge()

    def position(self) -> int:
        """See `Collector`."""
        return self._ring.position()

    def drained_to(self, position: int) -> bool:
        """See `Collector`."""
        return self._ring.drained_to(position)

    def ledger(self) -> KernelLedger:
        """See `Collector`."""
        mkdirs, rmdirs = (
            self._libbpf.lookup(self._counters, which.to_bytes(4, sys.byteorder), wire.WAYS_BYTES * self._cpus) or b""
            for which in (0, 1)
        )
        return KernelLedger(
            attach=self.attach_number,
            mkdirs=wire.ways_out(mkdirs),
            rmdirs=wire.ways_out(rmdirs),
            recursion_misses=sum(self._libbpf.program(fd).recursion_misses for fd in self._programs),
        )

    def drained(self) -> list[KernelLedger]:
        """See `Collector`: nothing is pinned, so there is never an older one."""
        return []

    def renew(self) -> None:
        """See `Collector`."""
        quiet_at = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + wire.QUIET_AFTER_NS
        settings = wire.control(
            hierarchy=self._hierarchy.id, attach=self.attach_number, quiet_at_ns=quiet_at, window_ns=0, limit=0
        )
        self._libbpf.update(self._control, _ZERO, settings)

    def limit_below(self, cgroup_id: int) -> None:
        """See `Collector`: without ancestors there is nothing to look up."""

    def unlimit(self, cgroup_id: int) -> None:
        """See `Collector`."""

    def detach(self) -> None:
        """See `Collector`."""
        for tracepoint in _TRACEPOINTS.values():
            self._bpf.detach_tracepoint(tp=tracepoint)

    def close(self) -> None:
        """See `Collector`."""
        self._ring.close()
        self._bpf.cleanup()


@contextmanager
def _told(headers: Headers) -> Iterator[None]:
    """Tell bcc where the headers are, where it would not find them."""
    if headers.source is None:
        yield
        return
    os.environ[SOURCE_VARIABLE] = str(headers.source)
    try:
        yield
    finally:
        del os.environ[SOURCE_VARIABLE]


@contextmanager
def _standard_error(said: list[str]) -> Iterator[None]:
    """Keep the lines that bcc, clang and the verifier's log write to descriptor 2."""
    kept = os.dup(2)
    with os.fdopen(os.memfd_create("bcc"), "rb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said.extend(file.read().decode(errors="replace").splitlines())


def _explain(error: Exception, headers: Headers, said: list[str]) -> CollectorProblem:
    detail = "\n".join(said[-_LOG_LINES:])
    if missing := missing_capabilities(Path("/proc/self/status").read_text()):
        return CollectorProblem(
            f"This process lacks {' and '.join(missing)}.", "Run it as root; bcc also needs tracefs.", detail=detail
        )
    if "compile" in str(error):
        return CollectorProblem(
            f"bcc could not compile the program against {headers.description}.",
            "Use `--collector core`, or install other headers or a newer bcc: it often breaks on new kernels.",
            detail=detail,
        )
    return CollectorProblem(
        f"bcc could not load the program: {error}.", "Please report this; `--collector core` may work.", detail=detail
    )
