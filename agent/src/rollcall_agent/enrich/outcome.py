"""What to say of a start that no runtime has settled. Pure: the question and the misses come in, facts go out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rollcall.record import Image, Pod, Resolution, Runtime
from rollcall_agent.enrich.facts import Facts, Miss, Question

DOCKER_UNAVAILABLE: Final = "DockerUnavailable"

_OWN_API: Final = frozenset({"docker", "podman"})
"""Runtimes whose own API alone knows their containers."""

_NOT_FOUND: Final = "NotFound"
_NOBODY: Final = Miss(reason="RuntimeUnavailable", message="no container runtime answers at any known socket")


def is_asked(question: Question) -> bool:
    """Say whether there can be anybody to ask."""
    return question.candidate.maker_has_api


def asked_once(question: Question, *, its_own: bool) -> bool:
    """Say whether one try at a runtime is enough; `its_own` says that it is the one that the path hints at.

    What lies in another container belongs to a runtime that can't be reached, or to nobody, and a minute of tries for
    each made-up id would be an amplifier. Docker's and Podman's containers are in no runtime's list but their own.
    """
    return question.candidate.nested_below is not None or (question.candidate.runtime in _OWN_API and not its_own)


def may_come(question: Question) -> bool:
    """Say whether the runtime that the path hints at is worth a moment's wait where it does not answer.

    A Docker that is started again listens at a new socket, and is found there some time after its first containers.
    """
    return question.candidate.nested_below is None and question.candidate.runtime == "docker"


def unsettled(question: Question, misses: Iterable[Miss], *, its_own: bool) -> Facts:
    """Conclude from all that the last tries came back with; none is: nobody was there.

    `its_own` says that the runtime that the path hints at is among those that were asked.
    """
    candidate = question.candidate
    last = list(misses)
    if (partial := next((miss.partial for miss in last if miss.partial is not None), None)) is not None:
        return partial
    miss = _most_telling(last)
    resolution, reason, message = Resolution.UNRESOLVED, miss.reason, miss.message
    if not candidate.maker_has_api:
        resolution, reason = Resolution.NO_RUNTIME_API, "MakerHasNoAPI"
        message = f"containers of this shape ({candidate.runtime or 'unknown'}) are in no runtime's API"
    elif candidate.nested_below is not None:
        resolution, message = Resolution.NESTED, f"inside container {candidate.nested_below}; {miss.message}"
    elif candidate.runtime == "docker" and not its_own:
        reason, message = DOCKER_UNAVAILABLE, "only Docker's own API knows this container; no Docker answers here"
    elif candidate.runtime == "podman":
        resolution, reason = Resolution.NO_RUNTIME_API, "PodmanAPINeeded"
        message = "only Podman's own API knows this container; it is not asked yet"
    return Facts(
        resolution=resolution,
        reason=reason,
        message=message,
        runtime=Runtime(name=candidate.runtime),
        pod=Pod(uid=candidate.pod_uid, sandbox=candidate.sandbox),
        image=Image(reason="ImageUnknown"),
    )


def _most_telling(misses: list[Miss]) -> Miss:
    """Prefer a runtime that could not answer over one that does not know: it may have been the one."""
    return next((miss for miss in misses if miss.reason != _NOT_FOUND), misses[0] if misses else _NOBODY)
