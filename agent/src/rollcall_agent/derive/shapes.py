"""The shapes of container roots: what one component of a cgroup path says by itself and by its place.

The names are those that each maker gives: runc's `<slice>:<prefix>:<name>` (libcontainer, systemd `getUnitName`), the
kubelet's slices and pod directories (pkg/kubelet/cm), Podman's `libpod-` and CRI-O's `crio-`, LXC's `lxc.payload.`
(cgroups/cgfsng.c), systemd-machined's `machine-` scopes, BuildKit's 25 base-36 digits (identity/randomid.go), Kata's
`kata_` (virtcontainers/pkg/resourcecontrol).
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Final

from msgspec import Struct

_HEX: Final = rb"[0-9a-f]{64}"
_NAME: Final = rb"[A-Za-z0-9][A-Za-z0-9_.-]*"
_PREFIX: Final = rb"cri-containerd|crio|docker|libpod|nerdctl"

# The last group that matched names the shape.
_SHAPE: Final = re.compile(
    # Kata puts its own before the last component of what it was asked for, whatever that was.
    rb"kata_(?:crio-|[^:]*:[a-z-]+:)?(?P<kata>" + _HEX + rb")"
    rb"|(?P<prefix>" + _PREFIX + rb"|libpod-payload)-(?P<prefixed>" + _HEX + rb")(?:\.scope)?"
    # A runtime that was not told of systemd takes the three parts of a unit for the name of one directory.
    rb"|(?P<slice>[^:]*):(?P<part>" + _PREFIX + rb"):(?P<literal>" + _HEX + rb")"
    rb"|(?P<bare>" + _HEX + rb")(?:\.scope)?"
    rb"|lxc\.payload\.(?P<lxc>" + _NAME + rb")"
    rb"|systemd-nspawn@(?P<nspawn>[\w.\\-]+)\.service"
    rb"|machine-(?P<machine>[\w.\\-]+)\.scope"
    rb"|(?P<garden>[0-9a-f]{8}(?:-[0-9a-f]{4}){4})"
    rb"|(?P<fargate>[0-9a-f]{32}-[0-9]{1,20})"
    rb"|(?P<buildkit>[0-9a-z]{25})"
)
SHORTEST: Final = len(b"lxc.payload.x")
"""No component with fewer bytes has a shape by itself."""

_RUNTIMES: Final = {
    b"cri-containerd": "containerd",
    b"crio": "crio",
    b"docker": "docker",
    b"libpod": "podman",
    b"libpod-payload": "podman",
    b"nerdctl": "containerd",
}

_PLAIN_NAME: Final = re.compile(_NAME)
_ESCAPED: Final = re.compile(rb"\\x([0-9a-f]{2})")  # systemd.unit(5)
_IDENTIFIER: Final = re.compile(rb"(?=.{1,76}\Z)[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")  # containerd, pkg/identifiers
_POD: Final = re.compile(
    rb"(?:(?:[\w.-]*-)?kubepods(?:-burstable|-besteffort)?-)?"
    rb"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?"
)

# First components that belong to other makers than containerd's clients: no namespace to ask about.
_TAKEN: Final = frozenset({
    b"actions_job", b"crio", b"docker", b"ecs", b"init.scope", b"kata_overhead", b"kubepods", b"kubepods.slice",
    b"libpod_parent", b"lxc", b"lxc.monitor", b"lxc.payload", b"machine.slice", b"system.slice", b"user.slice",
})  # fmt: skip


class Shape(Struct, frozen=True, kw_only=True):
    """What the path says of a container's root; fields as in `ContainerCandidate`."""

    container_id: str
    runtime: str = ""
    namespace: str | None = None
    pod_uid: str | None = None
    maker_has_api: bool = True
    sandbox: bool | None = None


def identifier(component: bytes) -> str | None:
    """Return a component as containerd's name of a namespace or container; None where it can't be one."""
    return component.decode() if _IDENTIFIER.fullmatch(component) else None


def may_name_a_namespace(first: bytes) -> bool:
    """Say whether the first component of a path can be a namespace that containerd has not named yet."""
    return first not in _TAKEN and identifier(first) is not None


def shape(parts: Sequence[bytes], at: int, namespaces: Container[str]) -> Shape | None:
    """Return what `parts[at]` is the root of; None where it has no container's whole shape.

    `parts` are the components of a path from the top; an empty one stands for those that the kernel cut away.
    """
    part = parts[at]
    if parts[0] == b"kata_overhead":  # Kata repeats below it, for its host side alone, what containers are called
        return None
    found = _by_itself(parts, at) if len(part) >= SHORTEST else None
    if at != 1:
        return found
    namespace = identifier(parts[0])
    if namespace is not None and namespace in namespaces:
        name = identifier(part)
        if found is None or not found.maker_has_api:
            return Shape(container_id=name, runtime="containerd", namespace=namespace) if name else found
        if found.container_id == name:
            return Shape(container_id=name, runtime=found.runtime or "containerd", namespace=namespace)
    elif found is None and parts[0] in {b"lxc", b"lxc.payload"} and _PLAIN_NAME.fullmatch(part):
        return _without_api(part, "lxc")
    return found


def _by_itself(parts: Sequence[bytes], at: int) -> Shape | None:
    match = _SHAPE.fullmatch(parts[at])
    if match is None:
        return None
    kind = match.lastgroup or ""
    name = match[kind]
    parent = parts[at - 1] if at else b""
    if kind == "prefixed":
        return Shape(
            container_id=name.decode(),
            runtime=_RUNTIMES[match["prefix"]],
            pod_uid=_pod_uid(parent),
            sandbox=_holds_no_process(match["prefix"], parts[at], parent),
        )
    if kind == "literal":
        return Shape(container_id=name.decode(), runtime=_RUNTIMES[match["part"]], pod_uid=_pod_uid(match["slice"]))
    if kind == "kata":
        return Shape(container_id=name.decode(), pod_uid=_pod_uid(parent), sandbox=True)
    if kind == "bare":
        return _bare(name, parts, at, parent)
    return _made_without_api(kind, name, parent)


def _bare(name: bytes, parts: Sequence[bytes], at: int, parent: bytes) -> Shape | None:
    # Podman with cgroupfs calls a pod's directory by the pod's id (libpod, pod creation); its containers have a prefix.
    if parent == b"libpod_parent":
        return None
    runtime, pod_uid = "", _pod_uid(parent)
    if parent in {b"docker", b"actions_job", b"ecs"} or (at > 1 and parts[at - 2] == b"ecs"):
        runtime = "docker"
    elif parent.startswith(b"pod") or b"kubepods" in parent:
        runtime = "containerd"
    return Shape(container_id=name.decode(), runtime=runtime, pod_uid=pod_uid)


def _made_without_api(kind: str, name: bytes, parent: bytes) -> Shape | None:
    if kind == "nspawn" or (kind == "machine" and parent == b"machine.slice"):
        plain = _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1].decode()), name)
        # libvirt registers virtual machines with systemd-machined too, under its driver's name.
        if plain.startswith(b"qemu-") or not _PLAIN_NAME.fullmatch(plain):
            return None
        return _without_api(plain, "nspawn")
    if kind == "machine" or (kind == "buildkit" and parent != b"buildkit"):
        return None
    return _without_api(name, kind)


def _without_api(name: bytes, maker: str) -> Shape:
    return Shape(container_id=name.decode(), runtime=maker, maker_has_api=False)


def _holds_no_process(prefix: bytes, part: bytes, parent: bytes) -> bool | None:
    # CRI-O that drops the infra container makes its directory itself, and not as a unit: no `.scope` below a slice.
    return True if prefix == b"crio" and not part.endswith(b".scope") and parent.endswith(b".slice") else None


def _pod_uid(component: bytes) -> str | None:
    match = _POD.fullmatch(component)
    return match[1].decode().replace("_", "-") if match else None
