"""What to say of a start that no runtime has settled. Pure: the question and the misses come in, facts go out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rollcall.record import Image, Pod, Resolution, Runtime
from rollcall_agent.enrich.facts import Facts, Miss, Question

_APIS_TO_COME: Final = {"docker": "DockerAPINeeded", "podman": "PodmanAPINeeded"}
"""Runtimes whose own API alone knows their containers."""

_NOT_FOUND: Final = "NotFound"
_NOBODY: Final = Miss(reason="RuntimeUnavailable", message="no container runtime answers at any known socket")


def is_asked(question: Question) -> bool:
    """Say whether there can be anybody to ask."""
    return question.candidate.maker_has_api


def asked_once(question: Question) -> bool:
    """Say whether one try at each runtime is enough.

    What lies in another container belongs to a runtime that can't be reached, or to nobody, and a minute of tries for
    each made-up id would be an amplifier. Docker's and Podman's containers are in no runtime's list but their own.
    """
    return question.candidate.nested_below is not None or question.candidate.runtime in _APIS_TO_COME


def unsettled(question: Question, misses: Iterable[Miss]) -> Facts:
    """Conclude from all that the last tries came back with; none is: nobody was there."""
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
    elif (needed := _APIS_TO_COME.get(candidate.runtime)) is not None:
        resolution, reason = Resolution.NO_RUNTIME_API, needed
        message = f"only {candidate.runtime}'s own API knows this container; it is not asked yet"
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
