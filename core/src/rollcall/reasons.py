"""The words that a record gives as reasons, with their meaning for people; `docs/events.md` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rollcall.record import Resolution

RESOLUTIONS: Final[Mapping[Resolution, str]] = {
    Resolution.RESOLVED: "Whose it is and from which image are known; `image.reason` says what stays open.",
    Resolution.PARTIAL: "A runtime knows it, and did not tell all.",
    Resolution.UNRESOLVED: "No runtime that could be asked knows it. A later answer is a record with `supersedes`.",
    Resolution.NESTED: "It runs inside another container, that of `nestedBelow`, where its runtime can't be asked.",
    Resolution.NO_RUNTIME_API: "Its maker has no API, or none that is asked yet.",
}

REASONS: Final[Mapping[str, str]] = {
    "NotFound": "Every runtime that was asked said that it has no such container, to the last try.",
    "RuntimeUnavailable": "The runtime's socket refused or broke the connection, to the last try.",
    "RuntimeHung": "The runtime let the deadline pass without an answer, to the last try.",
    "RuntimeDenied": "The runtime refused to answer this user.",
    "RuntimeError": "The runtime answered with an error; `message` has its words.",
    "MalformedAnswer": "The runtime's answer could not be read.",
    "OversizedAnswer": "The runtime's answer was larger than the 16 MiB that are read.",
    "WrongID": "The runtime answered with another container than the one asked for; it was not believed.",
    "InvalidQuestion": "The runtime refused the id as one that it could not have.",
    "Unimplemented": "The runtime does not offer the call that was needed.",
    "DockerUnavailable": "It is Docker's: only Docker's API knows its name and image, and none that does answers here.",
    "PodmanAPINeeded": "It is Podman's: only Podman's own API knows its name and image.",
    "MakerHasNoAPI": "Its path says that LXC, systemd-nspawn, BuildKit or another one made it whose API is not asked.",
    "NotInCRI": "containerd has a record of it, CRI does not show it: its names are claims that nobody confirmed.",
    "SandboxUnknown": "The runtime does not know the sandbox that the container names: its pod is a claim.",
    "PodUnknown": "The cgroup's path lies in a pod, the runtime names none.",
    "PodUIDMismatch": "The runtime and the cgroup's path name two different pods; `message` has both.",
    "ImageUnknown": "No digest of its image could be had.",
    "NestedOverBudget": "One record that stands for many starts inside one container; `message` counts them.",
}
"""Values of `reason`."""

IMAGE_REASONS: Final[Mapping[str, str]] = {
    "ImageUnknown": "No answer named a digest of the image.",
    "RequestUnknown": "No answer said which reference was asked for; `digest` is that of the config.",
    "NoRepositoryDigest": "The image is known under no digest of the requested repository: it was imported or built "
    "here, or asked for by its id.",
    "AmbiguousDigest": "It is known under several digests of the requested repository; all are in `digests`.",
    "RequestedDigestNotFound": "The digest that was asked for is not among those that the runtime has.",
    "ConfigMismatch": "What the requested repository's digest leads to is not the image that runs.",
}
"""Values of `image.reason`."""
