"""The few functions of libbpf and of bpf(2) that the collector needs, through ctypes.

libbpf's C interface is stable within a major version (libbpf.map), so the shared library of the distribution serves.
Structs and flags are those of include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from rollcall_agent.collect.problem import CollectorProblem

if TYPE_CHECKING:
    from pathlib import Path

_BPF_ANY = 0
_BPF_TAG_BYTES = 8
_LOG_LINES = 30
_INFO = 1  # enum libbpf_print_level

_MAPS_OF_A_PROGRAM = 64

_Info = TypeVar("_Info", bound=ctypes.Structure)
_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

# libbpf keeps the pointer, and bcc uses the same library: it must outlive the `Libbpf` that set it.
_PRINTERS: list[object] = []


class _ProgramInfo(ctypes.Structure):
    """struct bpf_prog_info up to and with recursion_misses (since 5.12; older kernels leave the tail zero)."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * _BPF_TAG_BYTES),
        ("jited_prog_len", ctypes.c_uint32),
        ("xlated_prog_len", ctypes.c_uint32),
        ("jited_prog_insns", ctypes.c_uint64),
        ("xlated_prog_insns", ctypes.c_uint64),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", ctypes.c_uint32),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
        ("ifindex", ctypes.c_uint32),
        ("gpl_compatible", ctypes.c_uint32),
        ("netns_dev", ctypes.c_uint64),
        ("netns_ino", ctypes.c_uint64),
        ("nr_jited_ksyms", ctypes.c_uint32),
        ("nr_jited_func_lens", ctypes.c_uint32),
        ("jited_ksyms", ctypes.c_uint64),
        ("jited_func_lens", ctypes.c_uint64),
        ("btf_id", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_uint64),
        ("nr_func_info", ctypes.c_uint32),
        ("nr_line_info", ctypes.c_uint32),
        ("line_info", ctypes.c_uint64),
        ("jited_line_info", ctypes.c_uint64),
        ("nr_jited_line_info", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("jited_line_info_rec_size", ctypes.c_uint32),
        ("nr_prog_tags", ctypes.c_uint32),
        ("prog_tags", ctypes.c_uint64),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
        ("recursion_misses", ctypes.c_uint64),
        ("verified_insns", ctypes.c_uint32),
    ]


class _MapInfo(ctypes.Structure):
    """struct bpf_map_info up to the name."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
    ]


class _LinkInfo(ctypes.Structure):
    """struct bpf_link_info up to the program."""

    _fields_ = [("type", ctypes.c_uint32), ("id", ctypes.c_uint32), ("prog_id", ctypes.c_uint32)]


class Program(Struct, frozen=True, kw_only=True):
    """What the kernel says of a loaded program; `tag` is the hash of its instructions."""

    id: int
    tag: str
    name: str
    maps: frozenset[int]
    recursion_misses: int
    verified_instructions: int


class Map(Struct, frozen=True, kw_only=True):
    """What the kernel says of a map; `max_entries` is bytes for a ring buffer."""

    id: int
    type: int
    key_size: int
    value_size: int
    max_entries: int
    name: str


class Libbpf:
    """libbpf, loaded. Its own messages are kept, for the verifier's last words.

    Raises:
        CollectorProblem: libbpf is not installed.
    """

    def __init__(self) -> None:
        try:
            lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
        except OSError as error:
            raise CollectorProblem(
                "libbpf.so.1 is not installed.",
                "Install the package libbpf1 (Debian, Ubuntu) or libbpf (Fedora).",
                detail=str(error),
            ) from error
        self._lib = lib
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._libc = ctypes.CDLL(None)
        self._libc.vsnprintf.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p]
        said = _PRINT(self._keep)
        _PRINTERS.append(said)
        lib.libbpf_set_print.argtypes = [_PRINT]
        lib.libbpf_set_print(said)
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        for name, result, arguments in (
            ("bpf_object__open_file", pointer, [text, pointer]),
            ("bpf_object__load", number, [pointer]),
            ("bpf_object__close", None, [pointer]),
            ("bpf_object__find_map_by_name", pointer, [pointer, text]),
            ("bpf_object__find_program_by_name", pointer, [pointer, text]),
            ("bpf_map__set_max_entries", number, [pointer, ctypes.c_uint32]),
            ("bpf_map__fd", number, [pointer]),
            ("bpf_map__pin", number, [pointer, text]),
            ("bpf_program__fd", number, [pointer]),
            ("bpf_program__pin", number, [pointer, text]),
            ("bpf_program__attach", pointer, [pointer]),
            ("bpf_link__fd", number, [pointer]),
            ("bpf_link__pin", number, [pointer, text]),
            ("bpf_link__destroy", number, [pointer]),
            ("bpf_obj_get", number, [text]),
            ("bpf_obj_get_info_by_fd", number, [number, pointer, ctypes.POINTER(ctypes.c_uint32)]),
            ("bpf_map_lookup_elem", number, [number, text, pointer]),
            ("bpf_map_update_elem", number, [number, text, text, ctypes.c_uint64]),
            ("bpf_map_delete_elem", number, [number, text]),
            ("bpf_map_get_next_key", number, [number, text, pointer]),
            ("libbpf_num_possible_cpus", number, []),
            ("libbpf_version_string", text, []),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments

    def _keep(self, level: int, template: bytes, arguments: int) -> int:
        if level > _INFO:
            return 0
        buffer = ctypes.create_string_buffer(1 << 16)
        self._libc.vsnprintf(buffer, len(buffer), template, arguments)
        self._log.extend(buffer.value.decode(errors="replace").rstrip().splitlines())
        return 0

    def version(self) -> str:
        """Return libbpf's version, as `v1.1`."""
        return bytes(self._lib.libbpf_version_string()).decode()

    def last_words(self) -> str:
        """What libbpf and the verifier said last, oldest line first."""
        return "\n".join(self._log)

    def load(self, path: Path, *, max_entries: dict[str, int]) -> Object:
        """Open and load an object file, its maps sized by name.

        Raises:
            OSError: the kernel refused, with its errno; `last_words` has the verifier's log.
        """
        self._log.clear()
        handle = self._lib.bpf_object__open_file(os.fsencode(path), None)
        if not handle:
            raise _error(f"can't open {path}")
        loaded = Object(self._lib, handle)
        try:
            for name, entries in max_entries.items():
                _check(self._lib.bpf_map__set_max_entries(loaded.map_handle(name), entries), f"can't size map {name}")
            _check(self._lib.bpf_object__load(handle), "the kernel refused to load the program")
        except OSError:
            loaded.close()
            raise
        return loaded

    def open_pinned(self, path: Path) -> int:
        """Return a descriptor of a pinned map or link. Raises OSError."""
        return _check(self._lib.bpf_obj_get(os.fsencode(path)), f"can't open {path}")

    def possible_cpus(self) -> int:
        """How many values a per-CPU map has."""
        return _check(self._lib.libbpf_num_possible_cpus(), "can't count processors")

    def lookup(self, fd: int, key: bytes, size: int) -> bytes | None:
        """Return `size` bytes of an entry (all CPUs' values for a per-CPU map), or None where there is none."""
        buffer = ctypes.create_string_buffer(size)
        if self._lib.bpf_map_lookup_elem(fd, key, buffer) < 0:
            return None
        return buffer.raw

    def update(self, fd: int, key: bytes, value: bytes) -> None:
        """Set an entry. Raises OSError (E2BIG: the map is full)."""
        _check(self._lib.bpf_map_update_elem(fd, key, value, _BPF_ANY), "can't write a map entry")

    def keys(self, fd: int, size: int) -> list[bytes]:
        """Return the keys of a map, `size` bytes each; one that changes meanwhile may miss some."""
        found: list[bytes] = []
        key = ctypes.create_string_buffer(size)
        while self._lib.bpf_map_get_next_key(fd, found[-1] if found else None, key) == 0 and key.raw not in found[-1:]:
            found.append(key.raw)
        return found

    def delete(self, fd: int, key: bytes) -> None:
        """Delete an entry, if it is there."""
        self._lib.bpf_map_delete_elem(fd, key)

    def program(self, fd: int) -> Program:
        """Describe a program."""
        ids = (ctypes.c_uint32 * _MAPS_OF_A_PROGRAM)()
        info = _ProgramInfo(nr_map_ids=_MAPS_OF_A_PROGRAM, map_ids=ctypes.addressof(ids))
        self._info(fd, info)
        return Program(
            id=info.id,
            tag=bytes(info.tag).hex(),
            name=info.name.decode(errors="replace"),
            maps=frozenset(ids[: info.nr_map_ids]),
            recursion_misses=info.recursion_misses,
            verified_instructions=info.verified_insns,
        )

    def program_id_of_link(self, fd: int) -> int:
        """Return the id of the program that a link attaches."""
        return int(self._info(fd, _LinkInfo()).prog_id)

    def map(self, fd: int) -> Map:
        """Describe a map."""
        info = self._info(fd, _MapInfo())
        return Map(
            id=info.id,
            type=info.type,
            key_size=info.key_size,
            value_size=info.value_size,
            max_entries=info.max_entries,
            name=info.name.decode(errors="replace"),
        )

    def _info(self, fd: int, info: _Info) -> _Info:
        size = ctypes.c_uint32(ctypes.sizeof(info))
        result = self._lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
        _check(result, "can't ask for an object's information")
        return info


class Object:
    """A loaded object: its maps and programs by name, and the links made of them. All close with it."""

    def __init__(self, lib: ctypes.CDLL, handle: int) -> None:
        self._lib = lib
        self._handle: int | None = handle
        self._links: list[int] = []

    def map_handle(self, name: str) -> int:
        """Return libbpf's handle of a map. Raises KeyError."""
        handle = self._lib.bpf_object__find_map_by_name(self._handle, name.encode())
        if not handle:
            raise KeyError(name)
        return int(handle)

    def map_fd(self, name: str) -> int:
        """Return a map's descriptor, which the object keeps."""
        return _check(self._lib.bpf_map__fd(self.map_handle(name)), f"map {name} is not loaded")

    def program_fd(self, name: str) -> int:
        """Return a program's descriptor, which the object keeps."""
        return _check(self._lib.bpf_program__fd(self._program(name)), f"program {name} is not loaded")

    def attach(self, name: str) -> int:
        """Attach a program where its section says, and return the handle of the link. Raises OSError."""
        link = self._lib.bpf_program__attach(self._program(name))
        if not link:
            raise _error(f"can't attach {name}")
        self._links.append(link)
        return int(link)

    def link_fd(self, link: int) -> int:
        """Return the descriptor of a link."""
        return _check(self._lib.bpf_link__fd(link), "the link is closed")

    def pin_map(self, name: str, path: Path) -> None:
        """Pin a map in a bpffs. Raises OSError."""
        _check(self._lib.bpf_map__pin(self.map_handle(name), os.fsencode(path)), f"can't pin map {name} at {path}")

    def pin_program(self, name: str, path: Path) -> None:
        """Pin a program in a bpffs. Raises OSError."""
        _check(self._lib.bpf_program__pin(self._program(name), os.fsencode(path)), f"can't pin {name} at {path}")

    def pin_link(self, link: int, path: Path) -> None:
        """Pin a link in a bpffs: it outlives this process. Raises OSError."""
        _check(self._lib.bpf_link__pin(link, os.fsencode(path)), f"can't pin a link at {path}")

    def detach(self) -> None:
        """Detach what is not pinned."""
        for link in self._links:
            self._lib.bpf_link__destroy(link)
        self._links.clear()

    def close(self) -> None:
        """Detach what is not pinned and let go of everything."""
        self.detach()
        if self._handle is not None:
            self._lib.bpf_object__close(self._handle)
            self._handle = None

    def _program(self, name: str) -> int:
        handle = self._lib.bpf_object__find_program_by_name(self._handle, name.encode())
        if not handle:
            raise KeyError(name)
        return int(handle)


def _check(result: int, what: str) -> int:
    if result < 0:
        raise _error(what, -result if result < -1 else None)
    return result


def _error(what: str, number: int | None = None) -> OSError:
    number = number or ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
