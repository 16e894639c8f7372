"""What is read of the JSON that runtimes add to a verbose answer.

Nobody promises what is in it: every key is optional, and a value of another type is as good as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from rollcall.references import image_id

IMAGE_NAME: Final = "io.kubernetes.cri.image-name"
CRIO_IMAGE: Final = "io.kubernetes.cri-o.Image"


class Verbose(Struct, frozen=True, kw_only=True):
    """The facts of one verbose answer, None or empty where it does not have them.

    `requested` is how the image was asked for, with the answer's name for it in `requested_source`. `resources` is the
    OCI specification's `linux.resources`, None where there is none.
    """

    sandbox_id: str | None = None
    image: str | None = None
    pid: int | None = None
    requested: str | None = None
    requested_source: str | None = None
    resources: object = None


def read(info: Mapping[str, str]) -> Verbose:
    """Read the `info` map of a ContainerStatus or a PodSandboxStatus. Never raises."""
    try:
        value = msgspec.json.decode(info.get("info", ""))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Verbose()
    specification = _at(value, "runtimeSpec")
    requested, source = _requested(value, _at(specification, "annotations"))
    pid = _at(value, "pid")
    return Verbose(
        sandbox_id=_text(_at(value, "sandboxID")),
        image=_text(_at(value, "image")),
        pid=pid if type(pid) is int and pid > 0 else None,
        requested=requested,
        requested_source=source,
        resources=_at(specification, "linux", "resources"),
    )


def _requested(value: object, annotations: object) -> tuple[str | None, str | None]:
    """Find how the image was asked for, the most literal answer first.

    `config.image.image` is the reference itself where a client other than the kubelet asked; the kubelet puts the
    image's id there. containerd's annotation is the first of all names of the image.
    """
    asked = _text(_at(value, "config", "image", "user_specified_image"))
    if asked is not None:
        return asked, "cri.info.config.image.userSpecifiedImage"
    given = _text(_at(value, "config", "image", "image"))
    if given is not None and image_id(given) is None:
        return given, "cri.info.config.image.image"
    for key in (IMAGE_NAME, CRIO_IMAGE):
        named = _text(_at(annotations, key))
        if named is not None and image_id(named) is None:
            return named, f"cri.info.annotations.{key}"
    return None, None


def _at(value: object, *keys: str) -> Any:  # noqa: ANN401 - it is anything, that is the point
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
