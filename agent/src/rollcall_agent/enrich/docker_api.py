"""The calls of Docker's Engine API that are needed: who answers, a container, all containers, an image.

The structures name the few fields that are read, as the API calls them; all others are passed over. What an answer may
leave out has a default, and null, which is how Go writes an empty list or map, is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from rollcall.references import image_id
from rollcall.text import printable
from rollcall_agent.enrich.channel import Failure
from rollcall_agent.enrich.docker_http import UnixHttp

Version = tuple[int, int]

OLDEST: Final[Version] = (1, 41)
"""Docker 20.10's."""
NEWEST: Final[Version] = (1, 53)
"""The newest whose answers are known here: the first that says where an image was pulled from."""

_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_VERSION: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})", re.ASCII)
_SNAPSHOTTER: Final = "io.containerd.snapshotter"

Reply = TypeVar("Reply")


class Component(Struct, rename="pascal"):
    """A part of the engine."""

    name: str = ""


class VersionAnswer(Struct, rename="pascal"):
    """`GET /version`, the one call without a version in its path."""

    version: str = ""
    api_version: str = ""
    components: list[Component] | None = None


class InfoAnswer(Struct, rename="pascal"):
    """`GET /info`."""

    driver_status: list[list[str]] | None = None


class Descriptor(Struct, rename="camel"):
    """What the OCI image specification calls so."""

    media_type: str = ""
    digest: str = ""


class ContainerState(Struct, rename="pascal"):
    """Times are RFC 3339, Go's zero time in the year 1 for what has not been."""

    status: str = ""
    pid: int = 0
    started_at: str = ""
    finished_at: str = ""


class ContainerConfig(Struct, rename="pascal"):
    """`image` is the text that was asked for; the image's own labels are among `labels`."""

    image: str = ""
    labels: dict[str, str] | None = None


class HostConfig(Struct, rename="pascal"):
    """Limits of 0 are none. Bytes; billionths of a core; microseconds."""

    memory: int = 0
    nano_cpus: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cgroup_parent: str = ""


class ContainerAnswer(Struct, rename="pascal"):
    """`GET /containers/<id>/json`. `image` is the image's id; the descriptor is the containerd image store's (1.48)."""

    id: str
    name: str = ""
    created: str = ""
    image: str = ""
    state: ContainerState = field(default_factory=ContainerState)
    config: ContainerConfig = field(default_factory=ContainerConfig)
    host_config: HostConfig = field(default_factory=HostConfig)
    image_manifest_descriptor: Descriptor | None = None


class ListEntry(Struct, rename="pascal"):
    """One of `GET /containers/json`. `created` is in seconds since 1970."""

    id: str
    state: str = ""
    created: int = 0


class Pull(Struct, rename="pascal"):
    """A repository that an image was pulled from or pushed to."""

    repository: str = ""


class Origin(Struct, rename="pascal"):
    """Where an image came from, by the daemon's own word (1.53)."""

    pull: list[Pull] | None = None


class ImageAnswer(Struct, rename="pascal"):
    """`GET /images/<id>/json`. Descriptor and identity are the containerd image store's (1.48, 1.53)."""

    id: str
    repo_tags: list[str] | None = None
    repo_digests: list[str] | None = None
    descriptor: Descriptor | None = None
    identity: Origin | None = None


class Engine(Struct, frozen=True, kw_only=True):
    """Who answers. With `image_store` an image's id is the digest of its index or manifest, else of its config."""

    version: str
    api: Version
    image_store: bool


class Docker:
    """One daemon's API, as `version`; every call raises CallError."""

    def __init__(self, http: UnixHttp, api: Version = OLDEST) -> None:
        self._http = http
        self._prefix = "/v{}.{}".format(*api)

    async def container(self, container_id: str) -> ContainerAnswer:
        """Return a container by its full id: the daemon also takes names and beginnings of ids for one."""
        target = f"{self._prefix}/containers/{quote(container_id, safe='')}/json"
        if not is_full_id(container_id):
            raise self._http.refuse(target, "no container of Docker's has such an id", Failure.NOT_FOUND)
        answer = _read(self._http, target, await self._http.get(target), ContainerAnswer)
        if answer.id != container_id:
            message = f"asked for {container_id}, was told of {printable(answer.id, 64)}"
            raise self._http.refuse(target, message, Failure.WRONG_ID)
        return answer

    async def containers(self, ids: Iterable[str] | None = None) -> list[ListEntry]:
        """Return all containers, those that have exited too, or those of some full ids that are there.

        It waits for no container's lock, as `container` does while one starts.
        """
        target = f"{self._prefix}/containers/json?all=1"
        if ids is not None:
            target += "&filters=" + quote(json.dumps({"id": list(ids)}), safe="")
        entries = _read(self._http, target, await self._http.get(target, listing=True), list[ListEntry])
        return [entry for entry in entries if is_full_id(entry.id)]

    async def image(self, image: str) -> ImageAnswer:
        """Return an image by its id."""
        target = f"{self._prefix}/images/{quote(image, safe=':')}/json"
        if image_id(image) is None:
            raise self._http.refuse(target, "the container's image has no id", Failure.MALFORMED)
        answer = _read(self._http, target, await self._http.get(target), ImageAnswer)
        if image_id(answer.id) != image_id(image):
            message = f"asked for {image}, was told of {printable(answer.id, 80)}"
            raise self._http.refuse(target, message, Failure.WRONG_ID)
        return answer

    async def stores_images_in_containerd(self) -> bool:
        """Say which of the two ways the daemon keeps its images."""
        target = f"{self._prefix}/info"
        answer = _read(self._http, target, await self._http.get(target), InfoAnswer)
        return any(value.startswith(_SNAPSHOTTER) for pair in answer.driver_status or () for value in pair[1:])


async def introduce(http: UnixHttp) -> tuple[Engine, Docker]:
    """Find out who answers and agree on a version. Raises CallError, also for an engine that is not spoken to.

    A daemon that has given up the version that is newest here refuses the first call in it, in its own words.
    """
    target = "/version"
    told = _read(http, target, await http.get(target), VersionAnswer)
    if any(component.name == "Podman Engine" for component in told.components or ()):
        message = "Podman answers there; it is not asked for its containers yet"
        raise http.refuse(target, message, Failure.UNIMPLEMENTED)
    newest = _version(told.api_version)
    if newest is None:
        raise http.refuse(target, "the daemon names no version of its API")
    if newest < OLDEST:
        message = "its API ends at {}.{}, what is needed begins at {}.{}".format(*newest, *OLDEST)
        raise http.refuse(target, message, Failure.UNIMPLEMENTED)
    api = min(newest, NEWEST)
    docker = Docker(http, api)
    store = await docker.stores_images_in_containerd()
    return Engine(version=told.version, api=api, image_store=store), docker


def is_full_id(text: str) -> bool:
    """Say whether a text is a whole id of a container."""
    return _ID.fullmatch(text) is not None


def _version(text: str) -> Version | None:
    match = _VERSION.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def _read(http: UnixHttp, target: str, body: bytes, reply: type[Reply]) -> Reply:
    try:
        return msgspec.json.decode(body, type=reply)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise http.refuse(target, printable(str(error), 200)) from None
