"""Where runtimes listen, and whether somebody new does: a socket may appear, vanish and come back at any time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Final

USUAL: Final = (
    "/run/containerd/containerd.sock",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/crio/crio.sock",
    "/var/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",  # RKE2's too
    "/var/snap/microk8s/common/run/containerd.sock",
    "/run/k0s/containerd.sock",
)

Identity = tuple[int, int, int]
"""Device, inode and time of the last change, ns: a runtime that starts again makes its socket anew."""


def endpoints(given: Iterable[str], usual: Iterable[str] = USUAL) -> tuple[str, ...]:
    """Return the paths of all sockets to watch, each once; `given` may have `unix://` before them."""
    paths = (text.removeprefix("unix://") for text in (*given, *usual))
    return tuple(dict.fromkeys(path for path in paths if path))


def present(paths: Iterable[str]) -> dict[str, Identity]:
    """Return those that are sockets now, with their identity; one that is there under two paths only once."""
    found: dict[Identity, str] = {}
    for path in paths:
        identity = _identity(path)
        if identity is not None:
            found.setdefault(identity, path)
    return {path: identity for identity, path in found.items()}


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - each second: no Path objects
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_ctime_ns) if stat.S_ISSOCK(status.st_mode) else None
