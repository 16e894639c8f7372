"""Whether a cgroup's path is that of a container's root, and of which: the last component decides."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from rollcall_agent.derive.candidate import ContainerCandidate, NotARoot, Rejection
from rollcall_agent.derive.shapes import SHORTEST, identifier, may_name_a_namespace, shape

# The kernel's tracepoint cuts here (TRACE_CGROUP_PATH_LEN, less the final NUL). What a walk of the tree found is cut
# alike, so that one directory gets one answer whichever way it was seen.
_KERNEL_SHOWS: Final = 1023


def derive(
    path: bytes, leaf: bytes, *, path_cut: bool, namespaces: Container[str] = frozenset()
) -> ContainerCandidate | NotARoot:
    """Say which container a cgroup directory is the root of, or why of none. Any bytes are answered.

    `path` is absolute in its hierarchy; where the kernel cut it, `leaf` is the whole last component, or empty where
    nobody knows it. `namespaces` are those that containerd itself has listed: only there may an id be any name.
    """
    parts = path[:_KERNEL_SHOWS].split(b"/")
    if not parts[0]:
        del parts[0]
    if path_cut or len(path) >= _KERNEL_SHOWS:
        last = leaf if path_cut else path.rpartition(b"/")[2]
        parts[-1:] = [b"", last]  # the component at the cut may be half of one; what lies below it is unknown
        if not last:
            return NotARoot(reason=Rejection.CUT, inside=_innermost(parts, namespaces))
    elif not parts:
        return NotARoot(reason=Rejection.NOT_A_SHAPE)

    last = parts[-1]
    if b"-conmon-" in last:
        return NotARoot(reason=Rejection.CONMON)
    found = shape(parts, len(parts) - 1, namespaces)
    inside = _innermost(parts, namespaces)
    if found is None:
        if last == b"conmon":
            return NotARoot(reason=Rejection.CONMON, inside=inside)
        return NotARoot(reason=Rejection.BELOW_A_ROOT if inside else Rejection.NOT_A_SHAPE, inside=inside)
    return ContainerCandidate(
        container_id=found.container_id,
        runtime=found.runtime,
        namespace=found.namespace,
        pod_uid=found.pod_uid,
        nested_below=inside,
        maker_has_api=found.maker_has_api,
        sandbox=found.sandbox,
    )


def unknown_namespace(path: bytes) -> str | None:
    """Return the first component of `/<namespace>/<id>` that containerd may have, and is worth one question to it.

    None where the path has another form, or its first component is known to be another maker's.
    """
    parts = path.split(b"/")
    if len(parts) != 3 or parts[0] or not may_name_a_namespace(parts[1]) or identifier(parts[2]) is None:  # noqa: PLR2004
        return None
    return identifier(parts[1])


def below(path: bytes, root: bytes) -> bool:
    """Say whether a path is `root` or lies below it; the top of the hierarchy is `/`."""
    root = root.rstrip(b"/")
    return path == root or path.startswith(root + b"/")


def _innermost(parts: list[bytes], namespaces: Container[str]) -> str | None:
    """Return the id of the innermost container above the last component."""
    for at in range(len(parts) - 2, -1, -1):
        if at != 1 and len(parts[at]) < SHORTEST:  # a hostile path has hundreds of these
            continue
        found = shape(parts, at, namespaces)
        if found is not None and b"-conmon-" not in parts[at]:
            return found.container_id
    return None
