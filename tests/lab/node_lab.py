"""The laboratory of one node: a scratch, a registry with images, a containerd that pulls from it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lab.containerd import Containerd, containerd
from lab.cri import Cri
from lab.ctr import Ctr
from lab.images import Image, make_image
from lab.registry import Registry, registry
from lab.scratch import Scratch, scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS: Final = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "docker-registry", "busybox")


@dataclass(frozen=True)
class NodeLab:
    """Everything a node test drives. `image` is pulled by both references, by `ctr` by the first."""

    scratch: Scratch
    registry: Registry
    containerd: Containerd
    cri: Cri
    ctr: Ctr
    image: Image
    reference: str
    by_digest: str


@contextmanager
def node_lab() -> Iterator[NodeLab]:
    """Run the laboratory for the time of the block; nothing of it is left behind."""
    with ExitStack() as stack:
        place = stack.enter_context(scratch())
        hub = stack.enter_context(registry(place))
        pause, image = make_image("pause"), make_image("shop")
        hub.push(pause, "lab/pause", "1")
        by_digest = hub.push(image, "lab/shop", "1")
        reference = f"{hub.address}/lab/shop:1"
        runtime = stack.enter_context(containerd(place, pause=f"{hub.address}/lab/pause:1", registries=[hub.address]))
        cri = stack.enter_context(Cri(runtime.endpoint, cgroup_root=place.cgroup_root))
        for name in (runtime.pause, reference, by_digest):
            cri.pull(name)
        ctr = Ctr(runtime)
        ctr.pull(reference)
        yield NodeLab(place, hub, runtime, cri, ctr, image, reference, by_digest)
