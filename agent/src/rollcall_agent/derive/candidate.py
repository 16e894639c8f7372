"""What a cgroup path proposes: a container's root, or a reason why it is none."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Rejection(StrEnum):
    """Why a directory is no container root."""

    NOT_A_SHAPE = "not_a_shape"
    """The last component looks like no runtime's container."""
    CONMON = "conmon"
    """The directory of a conmon, Podman's and CRI-O's supervisor."""
    BELOW_A_ROOT = "below_a_root"
    """A directory inside a container, itself no whole shape."""
    CUT = "cut"
    """The kernel cut the path and the last component is unknown."""


class NotARoot(Struct, frozen=True, kw_only=True):
    """The answer "none", why, and the container that the directory lies in (its id), where the path shows one."""

    reason: Rejection
    inside: str | None = None


class ContainerCandidate(Struct, frozen=True, kw_only=True):
    """A directory that has the whole shape of a container's root.

    `runtime` is the path's hint (`containerd`, `crio`, `docker`, `podman`, `lxc`, …, empty where the shape has none): a
    runtime's own answer replaces it. `namespace` is containerd's, for `/<namespace>/<any id>`. `pod_uid` is as in the
    path, dashes restored. `nested_below` is the innermost container id above it in the path. `maker_has_api` is false
    for shapes whose makers have no API here: nobody is asked about them for a minute.
    """

    container_id: str
    runtime: str
    namespace: str | None = None
    pod_uid: str | None = None
    nested_below: str | None = None
    maker_has_api: bool = True
    sandbox: bool | None = None
