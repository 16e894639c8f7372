"""The record of one start of a container: the ten facts, and what makes them trustworthy.

Every field says what it holds, where it comes from and when it is absent; `docs/events.md` is generated from here.
On the wire names are camelCase and what is absent is left out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

Sha256 = Annotated[str, Meta(pattern=r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")]


def fact(what: str, source: str, absent: str = "never", *, unit: str = "") -> Meta:
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
            "CRI `Version`; the shape of the cgroup's path where no API answered",
            "no API answered and the path hints at none",
        ),
    ] = ""
    version: Annotated[str | None, fact("Its version.", "CRI `Version`", "no API answered")] = None


class Reference(Model, frozen=True, kw_only=True):
    """A normalised image reference. With both tag and digest, the digest decides."""

    registry: Annotated[
        str,
        fact(
            "Host, in lower case, with its port unless that is 443 (which is kept where the host has no dot).",
            "`image.requested`",
        ),
    ]
    repository: Annotated[str, fact("Path below the host; `library/` added on Docker Hub.", "`image.requested`")]
    tag: Annotated[
        str | None,
        fact(
            "Tag; `latest` where neither tag nor digest was asked for.",
            "`image.requested`",
            "a digest alone was asked for",
        ),
    ] = None
    digest: Annotated[
        Sha256 | None,
        fact(
            "Digest that was asked for; what really ran is in `image.digests`.",
            "`image.requested`",
            "no digest was asked for",
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

    digest: Annotated[Sha256, fact("The digest.", "as `source` says")]
    kind: Annotated[
        DigestKind,
        fact(
            "What it is the digest of; `repository` is an index or a manifest, and nobody could tell which.",
            "media type in containerd's content store",
        ),
    ]
    source: Annotated[str, fact("Which answer named it, for example `cri.imageStatus`.", "the agent")]
    repository: Annotated[
        str | None, fact("`host/path` that it is known under.", "CRI `ImageStatus`", "it belongs to no repository")
    ] = None


class Image(Model, frozen=True, kw_only=True):
    """What the container was made from."""

    requested: Annotated[
        str | None,
        fact("Reference as it was asked for, verbatim.", "as `requestedSource` says", "the runtime does not tell"),
    ] = None
    requested_source: Annotated[str | None, fact("Which answer named it.", "the agent", "`requested` is")] = None
    reference: Annotated[
        Reference | None,
        fact("The same, normalised.", "`requested`", "`requested` is, or is no reference but an image id"),
    ] = None
    digests: Annotated[
        tuple[ImageDigest, ...],
        fact(
            "Every digest known of this image, those of the requested repository first.",
            "CRI `ImageStatus`; containerd's content store; Docker",
            "none is known",
        ),
    ] = ()
    id: Annotated[
        str | None,
        fact(
            "The runtime's id of the image: the digest of its config, in Docker's containerd image store that of its "
            "index or manifest.",
            "CRI `ContainerStatus` or `ListContainers`; Docker",
            "the runtime does not tell",
        ),
    ] = None
    digest: Annotated[
        Sha256 | None,
        fact(
            "The one repository digest that the request resolved to, else the digest of the config.",
            "`digests`, by the runtime's word, never the request's",
            "no digest is known",
        ),
    ] = None
    short_digest: Annotated[str | None, fact("First 12 hex digits of `digest`.", "`digest`", "`digest` is")] = None
    reason: Annotated[
        str | None,
        fact("Why `digest` is no repository digest; the words are listed below.", "the agent", "it is one"),
    ] = None


class Container(Model, frozen=True, kw_only=True):
    """What the container is called."""

    name: Annotated[
        str | None,
        fact(
            "Name within its pod; of its own where there is no pod.",
            "CRI metadata; containerd's id of the container; Docker's name",
            "nobody told, or it is a sandbox",
        ),
    ] = None
    attempt: Annotated[
        int | None,
        fact("How many times the kubelet started it before.", "CRI metadata", "no CRI runtime answered", unit="starts"),
    ] = None
    labels: Annotated[
        dict[str, str],
        fact(
            "Labels: at most 64, keys of 317 characters, values of 256, 8 KiB together.",
            "CRI; containerd; Docker",
            "there are none",
        ),
    ] = {}
    labels_truncated: Annotated[bool, fact("True where labels were left out or cut.", "the agent", "false")] = False


class Pod(Model, frozen=True, kw_only=True):
    """Whose the container is. All is absent for what belongs to no pod."""

    name: Annotated[str | None, fact("Name.", "CRI", "no pod, or nobody told")] = None
    namespace: Annotated[str | None, fact("Namespace.", "CRI", "no pod, or nobody told")] = None
    uid: Annotated[
        str | None,
        fact(
            "UID; the 32 hex digits of its configuration's hash for a static pod.",
            "CRI, compared with the cgroup's path; the path alone where no API answered",
            "no pod, or nobody told",
        ),
    ] = None
    sandbox: Annotated[
        bool | None,
        fact(
            "True for the pod's sandbox (the pause container), false for any other container.",
            "which of CRI's lists has it",
            "unknown",
        ),
    ] = None
    sandbox_id: Annotated[str | None, fact("Id of the sandbox that it runs in.", "CRI", "no pod, or nobody told")] = (
        field(default=None, name="sandboxID")
    )
    labels: Annotated[
        dict[str, str], fact("Labels of the pod, bounded as those of the container.", "CRI", "there are none")
    ] = {}
    labels_truncated: Annotated[bool, fact("True where labels were left out or cut.", "the agent", "false")] = False


class Cgroup(Model, frozen=True, kw_only=True):
    """Where the kernel put the container."""

    id: Annotated[
        int, fact("Id of the cgroup, its directory's inode; 0 where no directory was left to look at.", "kernel")
    ] = _shown(0)
    path: Annotated[
        str | None, fact(r"Path in its hierarchy; bytes that are not UTF-8 as `\xff`.", "kernel", "`id` is 0")
    ] = None
    path_truncated: Annotated[bool, fact("True where the kernel cut the path at 1024 bytes.", "kernel", "false")] = (
        False
    )
    version: Annotated[int, fact("Version of the hierarchy that is followed, 1 or 2.", "kernel")] = _shown(2)
    hierarchy: Annotated[int, fact("Its id; 0 is version 2.", "`/proc/self/cgroup`")] = _shown(0)


class Node(Model, frozen=True, kw_only=True):
    """Where the container runs."""

    name: Annotated[str, fact("Name of the node.", "the host's name")]
    boot_id: Annotated[str, fact("Boot id.", "`/proc/sys/kernel/random/boot_id`")] = field(name="bootID")


class Spool(Model, frozen=True, kw_only=True):
    """The record's place in the node's journal."""

    epoch: Annotated[str, fact("Random name of the journal, made with its file.", "journal")]
    sequence: Annotated[int, fact("Number in that epoch, in the order of writing: a gap in it is visible.", "journal")]


class Limit(Model, frozen=True, kw_only=True):
    """One resource: exactly one of a limit, unlimited, or unknown (neither)."""

    limit: Annotated[
        int | None,
        fact(
            "The limit.",
            "as `resources.source` says",
            "unlimited or unknown",
            unit="that of the resource",
        ),
    ] = None
    unlimited: Annotated[
        bool,
        fact(
            "True where it is known that none was set.",
            "as `resources.source` says",
            "there is a limit, or it is unknown",
        ),
    ] = False


class Resources(Model, frozen=True, kw_only=True):
    """Limits as they were set at creation; limit, unlimited and unknown are three things."""

    memory: Annotated[Limit, fact("Memory.", "as `source` says", "unknown (or empty)", unit="bytes")] = Limit()
    cpu: Annotated[Limit, fact("CPU.", "as `source` says", "unknown (or empty)", unit="thousandths of a core")] = (
        Limit()
    )
    source: Annotated[
        str | None,
        fact("Which answer named them: the runtime's, or the cgroup's own files.", "the agent", "unknown"),
    ] = None


class Ended(Model, frozen=True, kw_only=True):
    """The container's end."""

    at: Annotated[str, fact("When.", "as `source` says", unit="RFC 3339, UTC, microseconds")]
    source: Annotated[
        TimeSource, fact("Who saw it: the kernel (`rmdir` of the cgroup), or a listing of the runtime.", "journal")
    ]


class ContainerCreate(Model, frozen=True, kw_only=True):
    """One start of one container."""

    identity: Annotated[
        str,
        fact("One for each start: 26 base32 digits of a hash of boot id, container id and cgroup id.", "those three"),
    ]
    supersedes: Annotated[
        str | None,
        fact(
            "Identity of the unresolved record that this later answer takes the place of.",
            "journal",
            "it is the first answer",
        ),
    ] = None
    container_id: Annotated[
        str,
        fact(
            "Full id: 64 hex digits; a name where containerd was asked for one, or where the maker has no API.",
            "the cgroup's path, or a listing of the runtime",
        ),
    ] = field(name="containerID")
    runtime: Annotated[Runtime, fact("Who runs it.", "see its fields", "unknown")] = Runtime()
    ctime: Annotated[
        str | None,
        fact("When it was created.", "as `ctimeSource` says", "no clock tells", unit="RFC 3339, UTC, microseconds"),
    ] = None
    ctime_source: Annotated[
        TimeSource | None,
        fact(
            "Whose time it is: of the kernel's `mkdir` event, of the cgroup's directory, or the runtime's.",
            "the agent",
            "`ctime` is",
        ),
    ] = None
    image: Annotated[Image, fact("What it was made from.", "see its fields", "unknown")] = Image()
    container: Annotated[Container, fact("What it is called.", "see its fields", "unknown")] = Container()
    pod: Annotated[Pod, fact("Whose it is.", "see its fields", "no pod, or unknown")] = Pod()
    cgroup: Annotated[Cgroup, fact("Where the kernel put it.", "see its fields")] = _shown(Cgroup())
    node: Annotated[Node, fact("Where it runs.", "see its fields")]
    spool: Annotated[
        Spool | None, fact("Its place in the journal.", "see its fields", "it was written to no journal")
    ] = None
    resources: Annotated[Resources, fact("Limits as they were set at creation.", "see its fields", "unknown")] = (
        Resources()
    )
    origin: Annotated[
        Origin, fact("Whether the kernel told of the start, or a listing of the runtime.", "the agent")
    ] = _shown(Origin.KERNEL)
    resolution: Annotated[Resolution, fact("How far it is known whose it is and from which image.", "the agent")]
    reason: Annotated[
        str | None,
        fact(
            "Why it is not `Resolved`, one CamelCase word; they are listed below.",
            "the agent",
            "`resolution` is `Resolved`",
        ),
    ] = None
    message: Annotated[str | None, fact("The same for a person.", "the agent", "`resolution` is `Resolved`")] = None
    nested_below: Annotated[
        str | None,
        fact("Id of the container that it runs inside of.", "the cgroup's path and its ancestors", "it is in no other"),
    ] = None
    ended: Annotated[Ended | None, fact("Its end.", "see its fields", "none was seen yet")] = None
