"""What can happen to violations."""

from __future__ import annotations

from msgspec import Struct

from rollcall.judge.verdict import Result, Ruling, Verdict
from rollcall.observation import Observation
from rollcall.text import printable, shortened
from rollcall.times import normal
from rollcall.violations.model import RANK, Key

_LONGEST_NAME = 253
_LONGEST_WORKLOAD = 280
_LONGEST_IMAGE = 1024


class Judged(Struct, frozen=True, kw_only=True):
    """A start with its verdict: `failed` are the rulings that are violations, each with its key, the worst first.

    `doubted` are policy and rule of errors: what could not be told is no evidence that a violation is over. `waived`
    are policy and rule of what exceptions suppress, with their names.
    """

    start: str
    node: str
    namespace: str
    at: str | None
    image: str
    failed: tuple[tuple[Key, Ruling], ...] = ()
    doubted: frozenset[tuple[str, str]] = frozenset()
    waived: tuple[tuple[str, str, str], ...] = ()
    message: str = ""


class Start(Struct, frozen=True, kw_only=True):
    """A start was judged for the first time. One that has `ended` by then opens what it opens, and ends it."""

    judged: Judged
    ended: bool = False


class Late(Struct, frozen=True, kw_only=True):
    """The later answer about an unresolved start was judged; the start is the same."""

    judged: Judged
    ended: bool = False


class Ended(Struct, frozen=True, kw_only=True):
    """The kernel, or a listing, saw the end of a start."""

    node: str
    start: str


class LiveSet(Struct, frozen=True, kw_only=True):
    """A node reported what lives on it, by identities of starts; `report` grows within an `epoch`."""

    node: str
    epoch: str
    report: int
    starts: frozenset[str]


class NodeSilent(Struct, frozen=True, kw_only=True):
    """A node's agent is not heard any more; its next live set ends the silence."""

    node: str


class NodeGone(Struct, frozen=True, kw_only=True):
    """A node was deleted."""

    node: str


class NamespaceGone(Struct, frozen=True, kw_only=True):
    """A namespace was deleted."""

    namespace: str


class PolicySetChanged(Struct, frozen=True, kw_only=True):
    """What lives was judged again, for policies, exceptions, labels or the time have changed.

    `judged` are those of a batch: any others keep their verdicts. `policies` are the names of those in force.
    """

    judged: tuple[Judged, ...]
    policies: frozenset[str]


Input = Start | Late | Ended | LiveSet | NodeSilent | NodeGone | NamespaceGone | PolicySetChanged


def judged(observation: Observation, verdict: Verdict) -> Judged:
    """Take from an observation and its verdict what violations need."""
    reference = observation.reference
    namespace = (observation.namespace or "") if observation.pod_confirmed else ""
    place = {
        "namespace": shortened(namespace, _LONGEST_NAME),
        "workload": shortened(observation.workload, _LONGEST_WORKLOAD),
        "container": shortened(observation.container or "", _LONGEST_NAME),
        "repository": reference.name if reference is not None else "",
    }
    failed = [each for each in verdict.failing if each.result is Result.VIOLATION]
    failed.sort(key=lambda each: (-RANK[each.severity], each.policy, each.rule))
    return Judged(
        start=observation.supersedes or observation.identity,
        node=observation.node,
        namespace=place["namespace"],
        at=normal(observation.ctime),
        image=str(reference) if reference is not None else printable(observation.requested or "", _LONGEST_IMAGE),
        failed=tuple((Key(policy=each.policy, rule=each.rule, **place), each) for each in failed),
        doubted=frozenset((each.policy, each.rule) for each in verdict.failing if each.result is Result.ERROR),
        waived=tuple((each.policy, each.rule, ", ".join(each.waived_by)) for each in verdict.waived),
        message=verdict.message,
    )
