"""The record of one start of a container: the ten facts, and what makes them trustworthy.

Every field says what it holds, where it comes from and when it is absent; `docs/events.md` is generated from here.
On the wire names are camelCase and what is absent is left out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

Sha256 = Annotated[str, Meta(pattern=r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")]


def fact(what: str, *, source: str, absent: str = "never", unit: str = "") -> Meta:
    """Describe a field: what it holds, in which unit, whose word it is, and when it is absent."""
    return Meta(description=what, extra={"source": source, "absent": absent, "unit": unit})


def _shown(value: object) -> Any:  # noqa: ANN401  # as msgspec's own `field`
    """Give a field a default that is written all the same: only what a factory makes is not left out."""
    return field(default_factory=lambda: value)


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
    """Who runs the container."""

    name: Annotated[
        str,
        fact(
            "Name of the runtime, for example `containerd`.",
            source="CRI `Version`; the shape of the cgroup's path where no API answered",
            absent="no API answered and the path hints at none",
        ),
    ] = ""
    version: Annotated[str | None, fact("Its version.", source="CRI `Version`", absent="no API answered")] = None


class Reference(Model, frozen=True, kw_only=True):
    """A normalised image reference. With both tag and digest, the digest decides."""

    registry: Annotated[
        str,
        fact(
            "Host, in lower case, with its port unless that is 443 (which is kept where the host has no dot).",
            source="`image.requested`",
        ),
    ]
    repository: Annotated[str, fact("Path below the host; `library/` added on Docker Hub.", source="`image.requested`")]
    tag: Annotated[
        str | None,
        fact(
            "Tag; `latest` where neither tag nor digest was asked for.",
            source="`image.requested`",
            absent="a digest alone was asked for",
        ),
    ] = None
    digest: Annotated[
        Sha256 | None,
        fact(
            "Digest that was asked for; what really ran is in `image.digests`.",
            source="`image.requested`",
            absent="no digest was asked for",
        ),
    ] = None

    @property
    def name(self) -> str:
        """The repository's full name, `host/path`."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"


class ImageDigest(Model, frozen=True, kw_only=True):
    """One digest of the image."""

    digest: Annotated[Sha256, fact("The digest.", source="as `source` says")]
    kind: Annotated[
        DigestKind,
        fact(
            "What it is the digest of; `repository` is an index or a manifest, and nobody could tell which.",
            source="media type in containerd's content store",
        ),
    ]
    source: Annotated[str, fact("Which answer named it, for example `cri.imageStatus`.", source="the enricher")]
    repository: Annotated[
        str | None,
        fact("`host/path` that it is known under.", source="CRI `ImageStatus`", absent="it belongs to no repository"),
    ] = None


class Image(Model, frozen=True, kw_only=True):
    """What the container was made from."""

    requested: Annotated[
        str | None,
        fact(
            "Reference as it was asked for, verbatim.",
            source="as `requestedSource` says",
            absent="the runtime does not tell",
        ),
    ] = None
    requested_source: Annotated[
        str | None, fact("Which answer named it.", source="the enricher", absent="`requested` is")
    ] = None
    reference: Annotated[
        Reference | None,
        fact(
            "The same, normalised.", source="`requested`", absent="`requested` is, or is no reference but an image id"
        ),
    ] = None
    digests: Annotated[
        tuple[ImageDigest, ...],
        fact(
            "Every digest known of this image, those of the requested repository first.",
            source="CRI `ImageStatus`; containerd's content store",
            absent="none is known",
        ),
    ] = ()
    id: Annotated[
        str | None,
        fact(
            "The runtime's id of the image, with CRI the digest of its config.",
            source="CRI `ContainerStatus` or `ListContainers`",
            absent="the runtime does not tell",
        ),
    ] = None
    digest: Annotated[
        Sha256 | None,
        fact(
            "The one repository digest that the request resolved to, else the digest of the config.",
            source="`digests`, by the runtime's word, never the request's",
            absent="no digest is known",
        ),
    ] = None
    short_digest: Annotated[
        str | None, fact("First 12 hex digits of `digest`.", source="`digest`", absent="`digest` is")
    ] = None
    reason: Annotated[
        str | None,
        fact(
            "Why `digest` is no repository digest; the words are listed below.",
            source="the enricher",
            absent="it is one",
        ),
    ] = None


class Container(Model, frozen=True, kw_only=True):
    """What the container is called."""

    name: Annotated[
        str | None,
        fact(
            "Name within its pod; of its own where there is no pod.",
            source="CRI metadata; containerd's id of the container",
            absent="nobody told, or it is a sandbox",
        ),
    ] = None
    attempt: Annotated[
        int | None,
        fact(
            "How many times the kubelet started it before.",
            source="CRI metadata",
            absent="no CRI runtime answered",
            unit="starts",
        ),
    ] = None
    labels: Annotated[
        dict[str, str],
        fact(
            "Labels: at most 64, keys of 317 characters, values of 256, 8 KiB together.",
            source="CRI; containerd",
            absent="there are none",
        ),
    ] = {}
    labels_truncated: Annotated[
        bool, fact("True where labels were left out or cut.", source="the enricher", absent="false")
    ] = False


class Pod(Model, frozen=True, kw_only=True):
    """Whose the container is. All is absent for what belongs to no pod."""

    name: Annotated[str | None, fact("Name.", source="CRI", absent="no pod, or nobody told")] = None
    namespace: Annotated[str | None, fact("Namespace.", source="CRI", absent="no pod, or nobody told")] = None
    uid: Annotated[
        str | None,
        fact(
            "UID; the 32 hex digits of its configuration's hash for a static pod.",
            source="CRI, compared with the cgroup's path; the path alone where no API answered",
            absent="no pod, or nobody told",
        ),
    ] = None
    sandbox: Annotated[
        bool | None,
        fact(
            "True for the pod's sandbox (the pause container), false for any other container.",
            source="which of CRI's lists has it",
            absent="unknown",
        ),
    ] = None
    sandbox_id: Annotated[
        str | None, fact("Id of the sandbox that it runs in.", source="CRI", absent="no pod, or nobody told")
    ] = None
    labels: Annotated[
        dict[str, str],
        fact("Labels of the pod, bounded as those of the container.", source="CRI", absent="there are none"),
    ] = {}
    labels_truncated: Annotated[
        bool, fact("True where labels were left out or cut.", source="the enricher", absent="false")
    ] = False


class Cgroup(Model, frozen=True, kw_only=True):
    """Where the kernel put the container."""

    id: Annotated[
        int, fact("Id of the cgroup, its directory's inode; 0 where no directory was left to look at.", source="kernel")
    ] = _shown(0)
    path: Annotated[
        str | None,
        fact(r"Path in its hierarchy; bytes that are not UTF-8 as `\xff`.", source="kernel", absent="`id` is 0"),
    ] = None
    path_truncated: Annotated[
        bool, fact("True where the kernel cut the path at 1024 bytes.", source="kernel", absent="false")
    ] = False
    version: Annotated[int, fact("Version of the hierarchy that is followed, 1 or 2.", source="kernel")] = _shown(2)
    hierarchy: Annotated[int, fact("Its id; 0 is version 2.", source="`/proc/self/cgroup`")] = _shown(0)


class Node(Model, frozen=True, kw_only=True):
    """Where the container runs."""

    name: Annotated[str, fact("Name of the node.", source="the host's name")]
    boot_id: Annotated[str, fact("Boot id.", source="`/proc/sys/kernel/random/boot_id`")] = field(name="bootID")


class Spool(Model, frozen=True, kw_only=True):
    """The record's place in the node's journal."""

    epoch: Annotated[str, fact("Random name of the journal, made with its file.", source="journal")]
    sequence: Annotated[
        int, fact("Number in that epoch, in the order of writing: a gap in it is visible.", source="journal")
    ]


class Limit(Model, frozen=True, kw_only=True):
    """One resource: exactly one of a limit, unlimited, or unknown (neither)."""

    limit: Annotated[
        int | None,
        fact(
            "The limit.",
            source="as `resources.source` says",
            absent="unlimited or unknown",
            unit="memory: bytes; CPU: thousandths of a core",
        ),
    ] = None
    unlimited: Annotated[
        bool,
        fact(
            "True where it is known that none was set.",
            source="as `resources.source` says",
            absent="there is a limit, or it is unknown",
        ),
    ] = False


class Resources(Model, frozen=True, kw_only=True):
    """Limits as they were set at creation; limit, unlimited and unknown are three things."""

    memory: Annotated[Limit, fact("Memory.", source="as `source` says", absent="unknown (or empty)")] = Limit()
    cpu: Annotated[Limit, fact("CPU.", source="as `source` says", absent="unknown (or empty)")] = Limit()
    source: Annotated[
        str | None,
        fact(
            "Which answer named them: the runtime's, or the cgroup's own files.",
            source="the enricher",
            absent="unknown",
        ),
    ] = None


class Ended(Model, frozen=True, kw_only=True):
    """The container's end."""

    at: Annotated[str, fact("When.", source="as `source` says", unit="RFC 3339, UTC, microseconds")]
    source: Annotated[
        TimeSource,
        fact("Who saw it: the kernel (`rmdir` of the cgroup), or a listing of the runtime.", source="journal"),
    ]


class ContainerCreate(Model, frozen=True, kw_only=True):
    """One start of one container."""

    identity: Annotated[
        str,
        fact(
            "One for each start: 26 base32 digits of a hash of boot id, container id and cgroup id.",
            source="those three",
        ),
    ]
    supersedes: Annotated[
        str | None,
        fact(
            "Identity of the unresolved record that this later answer takes the place of.",
            source="journal",
            absent="it is the first answer",
        ),
    ] = None
    container_id: Annotated[
        str,
        fact(
            "Full id: 64 hex digits; a name where containerd was asked for one, or where the maker has no API.",
            source="the cgroup's path, or a listing of the runtime",
        ),
    ]
    runtime: Annotated[Runtime, fact("Who runs it.", source="see its fields", absent="unknown")] = Runtime()
    ctime: Annotated[
        str | None,
        fact(
            "When it was created.",
            source="as `ctimeSource` says",
            absent="no clock tells",
            unit="RFC 3339, UTC, microseconds",
        ),
    ] = None
    ctime_source: Annotated[
        TimeSource | None,
        fact(
            "Whose time it is: of the kernel's `mkdir` event, of the cgroup's directory, or the runtime's.",
            source="the agent",
            absent="`ctime` is",
        ),
    ] = None
    image: Annotated[Image, fact("What it was made from.", source="see its fields", absent="unknown")] = Image()
    container: Annotated[Container, fact("What it is called.", source="see its fields", absent="unknown")] = Container()
    pod: Annotated[Pod, fact("Whose it is.", source="see its fields", absent="no pod, or unknown")] = Pod()
    cgroup: Annotated[Cgroup, fact("Where the kernel put it.", source="see its fields", absent="it never had one")] = (
        Cgroup()
    )
    node: Annotated[Node, fact("Where it runs.", source="see its fields")]
    spool: Annotated[
        Spool | None, fact("Its place in the journal.", source="see its fields", absent="it was written to no journal")
    ] = None
    resources: Annotated[
        Resources, fact("Limits as they were set at creation.", source="see its fields", absent="unknown")
    ] = Resources()
    origin: Annotated[
        Origin, fact("Whether the kernel told of the start, or a listing of the runtime.", source="the agent")
    ] = _shown(Origin.KERNEL)
    resolution: Annotated[
        Resolution, fact("How far it is known whose it is and from which image.", source="the enricher")
    ]
    reason: Annotated[
        str | None,
        fact(
            "Why it is not `Resolved`, one CamelCase word; they are listed below.",
            source="the enricher",
            absent="`resolution` is `Resolved`",
        ),
    ] = None
    message: Annotated[
        str | None, fact("The same for a person.", source="the enricher", absent="`resolution` is `Resolved`")
    ] = None
    nested_below: Annotated[
        str | None,
        fact(
            "Id of the container that it runs inside of.",
            source="the cgroup's path and its ancestors",
            absent="it is in no other",
        ),
    ] = None
    ended: Annotated[Ended | None, fact("Its end.", source="see its fields", absent="none was seen yet")] = None
