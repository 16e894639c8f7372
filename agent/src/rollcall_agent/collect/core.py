"""The CO-RE collector: the compiled program, loaded and attached by libbpf, pinned where that was asked for."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, Self

import structlog

from rollcall_agent.collect import pins, wire
from rollcall_agent.collect.event import CgroupEvent, KernelLedger, settled
from rollcall_agent.collect.hierarchy import Hierarchy
from rollcall_agent.collect.libbpf import Libbpf, Object
from rollcall_agent.collect.refusal import explain
from rollcall_agent.collect.ring import RingReader, ring_bytes

OBJECT: Final = Path(__file__).with_name("rollcall.bpf.o")
_WINDOW_NS: Final = 10 * 10**9
_LIMIT: Final = 1000
"""Starts in a window below one outermost root: a whole node in a container (kind) boots with about 330 at once."""

_ZERO: Final = bytes(4)

log = structlog.get_logger()


class CoreCollector:
    """Implements `Collector` with libbpf. Made by `attach`; reads first what older pins still hold.

    `adopted` says that a pinned probe was taken over; `leftovers` names the sets of pins that could not be read and
    were removed.
    """

    name = "core"

    def __init__(
        self, libbpf: Libbpf, *, hierarchy: Hierarchy, loaded: Object | None, pinned: pins.Pinned | None
    ) -> None:
        self._libbpf = libbpf
        self._loaded = loaded
        self._pinned = pinned
        if pinned is not None:
            self._maps, self._programs = pinned.maps, pinned.programs
        elif loaded is not None:
            self._maps = {name: loaded.map_fd(name) for name in pins.MAPS}
            self._programs = {name: loaded.program_fd(name) for name in pins.PROGRAMS}
        self._ring = RingReader(self._maps["events"], libbpf.map(self._maps["events"]).max_entries)
        self._cpus = libbpf.possible_cpus()
        self._limited: set[int] = set()
        self._directory: pins.PinDirectory | None = None
        self._hierarchy = hierarchy
        self._older: list[tuple[pins.Pinned, RingReader]] = []
        self._drained: list[KernelLedger] = []
        self.adopted = False
        self.leftovers: list[str] = []
        self.attach_number = 0

    @classmethod
    def attach(
        cls, hierarchy: Hierarchy, *, attach_number: int, ring_size: int = 1 << 20, pin: Path | None = None
    ) -> Self:
        """Attach to this kernel, or take over what is pinned in `pin`.

        Raises:
            CollectorProblem: what is missing and what to do.
        """
        libbpf = Libbpf()
        with ExitStack() as undo:
            directory = None
            if pin is not None:
                directory = pins.PinDirectory(pin)
                undo.callback(directory.close)
            try:
                loaded = libbpf.load(OBJECT, max_entries={"events": ring_bytes(ring_size)})
                undo.callback(loaded.close)
                self = cls._take_over(libbpf, hierarchy, loaded, directory) if directory else None
                if self is None:
                    self = cls._attach_new(libbpf, hierarchy, loaded, directory, attach_number)
                self._directory = directory
                if directory is not None:
                    self._find_older(directory)
            except OSError as error:
                raise explain(error, libbpf.last_words()) from error
            undo.pop_all()
        return self

    @classmethod
    def _attach_new(
        cls, libbpf: Libbpf, hierarchy: Hierarchy, loaded: Object, directory: pins.PinDirectory | None, number: int
    ) -> Self:
        self = cls(libbpf, hierarchy=hierarchy, loaded=loaded, pinned=None)
        self.attach_number = number
        self.renew()
        links = {name: loaded.attach(name) for name in pins.PROGRAMS}
        if directory is not None:
            path = directory.path / pins.set_name(wire.SCHEMA, _tags(libbpf, loaded))
            if path in directory.sets():
                self._leave(path)
            pins.pin(loaded, links, path)
        return self

    @classmethod
    def _take_over(
        cls, libbpf: Libbpf, hierarchy: Hierarchy, loaded: Object, directory: pins.PinDirectory
    ) -> Self | None:
        tags = _tags(libbpf, loaded)
        wanted = directory.path / pins.set_name(wire.SCHEMA, tags)
        if wanted not in directory.sets():
            return None
        like = {name: libbpf.map(loaded.map_fd(name)) for name in pins.MAPS}
        pinned = pins.adopt(libbpf, wanted, like=like, tags=tags)
        if pinned is None:
            return None
        raw = libbpf.lookup(pinned.maps["control"], _ZERO, wire.CONTROL_BYTES) or bytes(wire.CONTROL_BYTES)
        followed, number = wire.control_of(raw)
        if followed != hierarchy.id:
            pins.close(pinned)
            return None
        loaded.close()
        self = cls(libbpf, hierarchy=hierarchy, loaded=None, pinned=pinned)
        self.attach_number = number
        self.adopted = True
        for root in libbpf.keys(pinned.maps["roots"], wire.ROOT_BYTES):  # some ended meanwhile; those that live return
            libbpf.delete(pinned.maps["roots"], root)
        self.renew()
        return self

    def _find_older(self, directory: pins.PinDirectory) -> None:
        """Open the rings of other sets to be drained; the new program is attached already, so nothing falls between."""
        like = {name: self._libbpf.map(fd) for name, fd in self._maps.items()}
        current = pins.set_name(
            wire.SCHEMA, {name: self._libbpf.program(fd).tag for name, fd in self._programs.items()}
        )
        for path in directory.sets():
            if path.name == current:
                continue
            known = path.name.startswith(tuple(f"v{schema}-" for schema in wire.DECODERS))
            pinned = pins.adopt(self._libbpf, path, like=like, tags=None) if known else None
            if pinned is None:
                self._leave(path)
                continue
            ring = RingReader(pinned.maps["events"], self._libbpf.map(pinned.maps["events"]).max_entries)
            self._older.append((pinned, ring))

    def _leave(self, path: Path) -> None:
        log.warning("A pinned probe is not what it should be; a listing finds what its ring held.", pins=str(path))
        self.leftovers.append(path.name)
        pins.remove(path)

    def fileno(self) -> int:
        """See `Collector`."""
        return self._maps["events"]

    def read(self, limit: int) -> list[CgroupEvent]:
        """See `Collector`. What older rings hold comes first."""
        for _, ring in self._older:
            if records := ring.read(limit):
                return [wire.decode(raw) for raw in records]
        return [wire.decode(raw) for raw in self._ring.read(limit)]

    def acknowledge(self) -> None:
        """See `Collector`."""
        for pinned, ring in self._older:
            ring.acknowledge()
            # Before the position: all that these counters call submitted has then been read. What still comes until
            # the probe is gone, the newer one tells of.
            ledger = settled(partial(self._ledger_of, self._attach_of(pinned), pinned.maps, pinned.programs))
            if ring.drained_to(ring.position()):
                self._drained.append(ledger)
                ring.close()
                pins.close(pinned)
                pins.remove(pinned.directory)
        self._older = [(pinned, ring) for pinned, ring in self._older if pinned.directory.exists()]
        self._ring.acknowledge()

    def position(self) -> int:
        """See `Collector`."""
        return self._ring.position()

    def drained_to(self, position: int) -> bool:
        """See `Collector`."""
        return not self._older and self._ring.drained_to(position)

    def ledger(self) -> KernelLedger:
        """See `Collector`."""
        return self._ledger_of(self.attach_number, self._maps, self._programs)

    def _ledger_of(self, attach: int, maps: dict[str, int], programs: dict[str, int]) -> KernelLedger:
        mkdirs, rmdirs = (
            self._libbpf.lookup(maps["counters"], which.to_bytes(4, "little"), wire.WAYS_BYTES * self._cpus) or b""
            for which in (0, 1)
        )
        return KernelLedger(
            attach=attach,
            mkdirs=wire.ways_out(mkdirs),
            rmdirs=wire.ways_out(rmdirs),
            recursion_misses=sum(self._libbpf.program(fd).recursion_misses for fd in programs.values()),
        )

    def _attach_of(self, pinned: pins.Pinned) -> int:
        settings = self._libbpf.lookup(pinned.maps["control"], _ZERO, wire.CONTROL_BYTES) or bytes(wire.CONTROL_BYTES)
        return wire.control_of(settings)[1]

    def drained(self) -> list[KernelLedger]:
        """See `Collector`."""
        drained, self._drained = self._drained, []
        return drained

    def renew(self) -> None:
        """See `Collector`."""
        settings = wire.control(
            hierarchy=self._hierarchy.id,
            attach=self.attach_number,
            quiet_at_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME) + wire.QUIET_AFTER_NS,
            window_ns=_WINDOW_NS,
            limit=_LIMIT,
        )
        self._libbpf.update(self._maps["control"], _ZERO, settings)

    def limit_below(self, cgroup_id: int) -> None:
        """See `Collector`. A full map limits no further roots: more than it holds never run on one node."""
        if cgroup_id in self._limited:
            return
        try:
            self._libbpf.update(self._maps["roots"], cgroup_id.to_bytes(8, "little"), bytes(wire.BUDGET_BYTES))
        except OSError as error:
            log.warning("A container's limit can't be set.", cgroup_id=cgroup_id, error=str(error))
            return
        self._limited.add(cgroup_id)

    def unlimit(self, cgroup_id: int) -> None:
        """See `Collector`."""
        self._libbpf.delete(self._maps["roots"], cgroup_id.to_bytes(8, "little"))
        self._limited.discard(cgroup_id)

    @property
    def pinned(self) -> bool:
        """See `Collector`."""
        return self._directory is not None

    @property
    def older_attaches(self) -> list[int]:
        """See `Collector`."""
        return [self._attach_of(pinned) for pinned, _ in self._older]

    def detach(self) -> None:
        """See `Collector`."""
        if self._loaded is not None and not self.pinned:
            self._loaded.detach()

    def close(self) -> None:
        """See `Collector`."""
        self._ring.close()
        for pinned, ring in self._older:
            ring.close()
            pins.close(pinned)
        self._older = []
        if self._loaded is not None:
            self._loaded.close()
        if self._pinned is not None:
            pins.close(self._pinned)
        if self._directory is not None:
            self._directory.close()


def _tags(libbpf: Libbpf, loaded: Object) -> dict[str, str]:
    return {name: libbpf.program(loaded.program_fd(name)).tag for name in pins.PROGRAMS}


def unpin(path: Path) -> list[str]:
    """Remove every set of pins below `path` and return their names.

    Raises:
        CollectorProblem: the directory is no pin directory, or a process uses it.
    """
    directory = pins.PinDirectory(path)
    removed = []
    for found in directory.sets():
        pins.remove(found)
        removed.append(found.name)
    directory.close()
    with suppress(OSError):  # a bpffs' own root stays
        path.rmdir()
    return removed
