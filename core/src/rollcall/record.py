"""The record of one start of a container: the ten facts, and what makes them trustworthy.

Every field says what it holds, where it comes from and when it is absent; `docs/events.md` is generated from here.
On the wire names are camelCase and what is absent is left out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

Sha256 = Annotated[str, Meta(pattern=r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")]


class DigestKind(StrEnum):
    """What a digest is the digest of; digests of different kinds are never compared."""

    INDEX = "index"
    MANIFEST = "manifest"
    CONFIG = "config"
    REPOSITORY = "repository"
    """A repository digest whose media type nobody could tell: an index or a manifest."""


class Resolution(StrEnum):
    """How far the question "whose is it, from which image?" was answered."""

    RESOLVED = "Resolved"
    PARTIAL = "Partial"
    UNRESOLVED = "Unresolved"
    NESTED = "Nested"
    NO_RUNTIME_API = "NoRuntimeAPI"


class Origin(StrEnum):
    """Who noticed the start."""

    KERNEL = "kernel"
    RECONCILED = "reconciled"


class TimeSource(StrEnum):
    """Which clock a time was read from."""

    KERNEL = "kernel"
    CGROUP = "cgroup"
    RUNTIME = "runtime"


class Model(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of all parts of a record: immutable, named in camelCase, silent about what is absent."""


class Runtime(Model, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Name that the runtime's own API gives; the path's hint where no API answered.")] = ""
    version: Annotated[str | None, Meta(description="Version that the runtime's own API gives.")] = None


class Reference(Model, frozen=True, kw_only=True):
    registry: Annotated[str, Meta(description="Host, lower case, without `:443`.")]
    repository: Annotated[str, Meta(description="Path below the host; `library/` added on Docker Hub.")]
    tag: Annotated[str | None, Meta(description="Tag; `latest` where neither tag nor digest was asked for.")] = None
    digest: Annotated[Sha256 | None, Meta(description="Digest that was asked for. What really ran is in `digests`.")] = None


class ImageDigest(Model, frozen=True, kw_only=True):
    digest: Annotated[Sha256, Meta(description="`sha256:…` or `sha512:…`.")]
    kind: Annotated[DigestKind, Meta(description="What it is the digest of.")]
    source: Annotated[str, Meta(description="Which answer named it, for example `cri.imageStatus`.")]
    repository: Annotated[str | None, Meta(description="`host/path` that it was found under.")] = None


class Image(Model, frozen=True, kw_only=True):
    requested: Annotated[str | None, Meta(description="Reference as it was asked for, verbatim.")] = None
    requested_source: Annotated[str | None, Meta(description="Which answer named it.")] = None
    reference: Annotated[Reference | None, Meta(description="The same, normalised; absent where it is no reference.")] = None
    digests: Annotated[tuple[ImageDigest, ...], Meta(description="Every digest known of this image, with its kind.")] = ()
    id: Annotated[str | None, Meta(description="The runtime's id of the image.")] = None
    digest: Annotated[Sha256 | None, Meta(description="The one repository digest resolved, else the config digest.")] = None
    short_digest: Annotated[str | None, Meta(description="First 12 hex digits of `digest`.")] = None
    reason: Annotated[str | None, Meta(description="Why the digest is ambiguous, unverifiable or unknown.")] = None


class Container(Model, frozen=True, kw_only=True):
    name: Annotated[str | None, Meta(description="Name of the container within its pod, or of its own.")] = None
    attempt: Annotated[int | None, Meta(description="How many times the kubelet started it before.")] = None
    labels: Annotated[dict[str, str], Meta(description="Labels of the container, bounded.")] = {}
    labels_truncated: Annotated[bool, Meta(description="True where labels were left out or cut.")] = False


class Pod(Model, frozen=True, kw_only=True):
    name: Annotated[str | None, Meta(description="Name of the pod.")] = None
    namespace: Annotated[str | None, Meta(description="Namespace of the pod.")] = None
    uid: Annotated[str | None, Meta(description="UID of the pod; 32 hex digits for a static pod.")] = None
    sandbox: Annotated[bool | None, Meta(description="True for the pod's sandbox; absent when unknown.")] = None
    sandbox_id: Annotated[str | None, Meta(description="Id of the sandbox that the container runs in.")] = None
    labels: Annotated[dict[str, str], Meta(description="Labels of the pod, bounded.")] = {}
    labels_truncated: Annotated[bool, Meta(description="True where labels were left out or cut.")] = False


class Cgroup(Model, frozen=True, kw_only=True):
    id: Annotated[int, Meta(description="Inode of the directory; 0 where none was left to look at.")] = 0
    path: Annotated[str | None, Meta(description="Absolute in its hierarchy, escaped where it is not plain text.")] = None
    path_truncated: Annotated[bool, Meta(description="True where the kernel cut the path at 1024 bytes.")] = False
    version: Annotated[int, Meta(description="1 or 2.")] = 2
    hierarchy: Annotated[int, Meta(description="Id of the hierarchy that is followed; 0 is version 2.")] = 0


class Node(Model, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Name of the node.")]
    boot_id: Annotated[str, Meta(description="Boot id of the kernel.")] = field(name="bootID")


class Spool(Model, frozen=True, kw_only=True):
    epoch: Annotated[str, Meta(description="Random name of the journal, made with its file.")]
    sequence: Annotated[int, Meta(description="Number in that epoch, in order of writing; a gap is visible.")]


class Limit(Model, frozen=True, kw_only=True):
    """One resource: exactly one of a limit, unlimited, or unknown (neither)."""

    limit: Annotated[int | None, Meta(description="Memory: bytes. CPU: thousandths of a core.")] = None
    unlimited: Annotated[bool, Meta(description="True where it is known that no limit was set.")] = False


class Resources(Model, frozen=True, kw_only=True):
    memory: Annotated[Limit, Meta(description="Memory limit at creation.")] = Limit()
    cpu: Annotated[Limit, Meta(description="CPU limit at creation.")] = Limit()
    source: Annotated[str | None, Meta(description="Which answer named them: the runtime's or the cgroup's.")] = None


class Ended(Model, frozen=True, kw_only=True):
    at: Annotated[str, Meta(description="RFC 3339, microseconds, UTC.")]
    source: Annotated[TimeSource, Meta(description="Who saw the end.")]


class ContainerCreate(Model, frozen=True, kw_only=True):
    """One start of one container."""

    identity: Annotated[str, Meta(description="26 base32 digits over boot id, container id and cgroup id; one a start.")]
    supersedes: Annotated[str | None, Meta(description="Identity's event that this later answer replaces.")] = None
    container_id: Annotated[str, Meta(description="Full id.")]
    runtime: Annotated[Runtime, Meta(description="Who runs it.")] = Runtime()
    ctime: Annotated[str | None, Meta(description="Start, RFC 3339, microseconds, UTC.")] = None
    ctime_source: Annotated[TimeSource | None, Meta(description="Which clock `ctime` is from.")] = None
    image: Annotated[Image, Meta(description="What it was made from.")] = Image()
    container: Annotated[Container, Meta(description="What it is called.")] = Container()
    pod: Annotated[Pod, Meta(description="Whose it is.")] = Pod()
    cgroup: Annotated[Cgroup, Meta(description="Where the kernel put it.")] = Cgroup()
    node: Annotated[Node, Meta(description="Where it runs.")]
    spool: Annotated[Spool | None, Meta(description="Its place in the journal.")] = None
    resources: Annotated[Resources, Meta(description="Limits as set at creation.")] = Resources()
    origin: Annotated[Origin, Meta(description="Whether the kernel told of it or a listing.")] = Origin.KERNEL
    resolution: Annotated[Resolution, Meta(description="How far it could be resolved.")]
    reason: Annotated[str | None, Meta(description="CamelCase reason where it is not Resolved.")] = None
    message: Annotated[str | None, Meta(description="The same for a person.")] = None
    nested_below: Annotated[str | None, Meta(description="Container id that it runs inside of.")] = None
    ended: Annotated[Ended | None, Meta(description="Its end, once seen.")] = None
