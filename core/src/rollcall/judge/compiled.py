"""A set of policies and exceptions, compiled once and asked for each start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from rollcall.judge.limits import CompiledLimits
from rollcall.judge.match import CompiledMatch
from rollcall.judge.memo import Memo
from rollcall.judge.rules import CompiledRule, RuleIndex
from rollcall.judge.verdict import MATCH, Cause, Result, Ruling, Trust
from rollcall.observation import Observation
from rollcall.patterns import image_pattern
from rollcall.policy.model import (
    UNMATCHED,
    UNRESOLVED,
    Effect,
    ImageAdmissionException,
    ImageAdmissionPolicy,
    Rule,
    Unmatched,
    Unresolved,
)
from rollcall.times import moment

_MOST_REMEMBERED: Final = 2048


class CompiledException:
    """An exception, compiled. It stands alone: what it does not say itself, no other one says for it."""

    __slots__ = ("_images", "_match", "expires", "name", "rules")

    def __init__(self, exception: ImageAdmissionException) -> None:
        spec = exception.spec
        self.name = exception.name
        self.rules = frozenset(spec.rules)
        self.expires = moment(spec.expires)
        self._match = CompiledMatch(spec.match)
        self._images = tuple(image_pattern(text) for text in spec.images)

    def waives(self, rule: str, observation: Observation, now: int) -> bool:
        """Say whether it suppresses a rule for a container, at `now` (ns since 1970); if in doubt it does not."""
        return rule in self.rules and now < self.expires and self._is_for(observation)

    def _is_for(self, observation: Observation) -> bool:
        reference = observation.reference
        named = not self._images or (
            reference is not None and any(pattern.matches(reference) for pattern in self._images)
        )
        return named and self._match.selects(observation) is True


class CompiledPolicy:
    """A policy, compiled, with the rulings that need no look at a container."""

    __slots__ = (
        "exceptions", "limits", "match", "name", "number", "rules", "source", "tag_moved", "unknown", "unmatched",
        "unresolved",
    )  # fmt: skip

    def __init__(self, policy: ImageAdmissionPolicy, number: int, exceptions: tuple[CompiledException, ...]) -> None:
        spec = policy.spec
        self.source = policy
        self.name = policy.name
        self.number = number
        self.exceptions = exceptions
        self.match = CompiledMatch(spec.match)
        self.limits = CompiledLimits(spec.limits) if spec.limits is not None else None
        self.tag_moved = spec.tags.tag_moved
        approves = any(rule.effect is Effect.ALLOW for rule in spec.rules)
        self.unmatched = (
            self.ruling(UNMATCHED, Cause.NOT_APPROVED, "no Allow rule matches")
            if approves and spec.unmatched is Unmatched.VIOLATION
            else None
        )
        message = "neither a name nor a digest of its image is known"
        self.unresolved = self.ruling(UNRESOLVED, Cause.UNRESOLVED, message, _UNRESOLVED[spec.unresolved])
        self.unknown = self.ruling(MATCH, Cause.MATCH_UNKNOWN, "whether it is meant can't be told", Result.ERROR)
        self.rules: tuple[CompiledRule, ...] = ()

    def ruling(self, rule: str, cause: Cause, message: str, result: Result = Result.VIOLATION) -> Ruling:
        """Make a ruling under a reserved name."""
        allowed = result is Result.ALLOWED
        return Ruling(
            policy=self.name,
            rule=rule,
            result=result,
            cause=None if allowed else cause,
            effect=Effect.ALLOW if allowed else None,
            message=message,
            severity=self.source.spec.severity,
            mode=self.source.spec.mode,
            generation=self.source.metadata.generation,
        )

    def ruling_of(self, rule: Rule) -> Ruling:
        """Make what a rule says when it matches."""
        denies = rule.effect is Effect.DENY
        return Ruling(
            policy=self.name,
            rule=rule.name,
            result=Result.VIOLATION if denies else Result.ALLOWED,
            cause=Cause.DENIED if denies else None,
            effect=rule.effect,
            message="a Deny rule matches" if denies else "an Allow rule matches",
            reason=rule.reason,
            link=rule.link,
            severity=self.source.spec.severity,
            mode=self.source.spec.mode,
            generation=self.source.metadata.generation,
            trust=None if denies else Trust.DIGEST if rule.digests else Trust.NAME,
        )


class Selection(Struct, frozen=True):
    """The policies that are for a container, and those of which that can't be told."""

    sure: tuple[CompiledPolicy, ...]
    unsure: tuple[CompiledPolicy, ...]


class PolicySet:
    """Policies and exceptions, compiled; what was found out about a kind of container or an image is remembered.

    Raises:
        ValueError: two policies have one name, or something is wrong that `rollcall.policy.check` tells of.
    """

    def __init__(
        self, policies: Iterable[ImageAdmissionPolicy], exceptions: Iterable[ImageAdmissionException] = ()
    ) -> None:
        by_policy: dict[str, list[CompiledException]] = {}
        for exception in sorted(exceptions, key=lambda each: each.name):
            by_policy.setdefault(exception.spec.policy, []).append(CompiledException(exception))
        ordered = sorted(policies, key=lambda policy: policy.name)
        self.policies = tuple(
            CompiledPolicy(policy, number, tuple(by_policy.get(policy.name, ())))
            for number, policy in enumerate(ordered)
        )
        if len({policy.name for policy in self.policies}) < len(self.policies):
            raise ValueError("two policies have one name")
        number = 0
        for policy in self.policies:
            rules = policy.source.spec.rules
            policy.rules = tuple(
                CompiledRule(rule, policy.number, number + at, policy.ruling_of(rule)) for at, rule in enumerate(rules)
            )
            number += len(rules)
        self.rules = RuleIndex(rule for policy in self.policies for rule in policy.rules)
        self._candidates = _Candidates(self.policies)
        self._memo: Memo[Selection] = Memo(_MOST_REMEMBERED)
        self._keys = [frozenset[str]().union(*parts) for parts in self._label_keys()]
        self._looks_at_containers = any(policy.match.looks_at_containers for policy in self.policies)

    def select(self, observation: Observation) -> Selection:
        """Return the policies that are for a container, in the order of their names."""
        return self._memo.get(self._key(observation), lambda: self._select(observation))

    def next_expiry(self, now: int) -> int | None:
        """Return when the next exception expires, in ns since 1970 as `now`: what it waived is to be judged again."""
        ends = (each.expires for policy in self.policies for each in policy.exceptions if each.expires > now)
        return min(ends, default=None)

    def _select(self, observation: Observation) -> Selection:
        sure: list[CompiledPolicy] = []
        unsure: list[CompiledPolicy] = []
        for policy in self._candidates.of(observation):
            answer = policy.match.selects(observation)
            if answer is not False:
                (sure if answer else unsure).append(policy)
        return Selection(*(tuple(sorted(each, key=lambda policy: policy.number)) for each in (sure, unsure)))

    def _label_keys(self) -> Iterable[tuple[set[str], ...]]:
        every = [policy.match.label_keys() for policy in self.policies]
        return zip(*every, strict=True) if every else [(), (), ()]

    def _key(self, observation: Observation) -> tuple[object, ...]:
        """Return all of a container that a `match` of this set looks at."""
        namespaces, pods, nodes = self._keys
        return (
            observation.outside,
            observation.pod_confirmed,
            observation.sandbox is True,
            observation.namespace,
            observation.container if self._looks_at_containers else None,
            observation.pod_labels_truncated,
            _reduced(observation.namespace_labels, namespaces),
            _reduced(observation.pod_labels, pods),
            _reduced(observation.node_labels, nodes),
        )


class _Candidates:
    """The policies that may be for a container, by where it is and its namespace."""

    def __init__(self, policies: Iterable[CompiledPolicy]) -> None:
        self._every = tuple(policies)
        self._outside = tuple(policy for policy in self._every if policy.match.outside)
        self._inside: list[CompiledPolicy] = []
        self._by_namespace: dict[str, list[CompiledPolicy]] = {}
        for policy in self._every:
            namespaces = policy.match.namespaces
            if not policy.match.inside:
                continue
            if namespaces is None:
                self._inside.append(policy)
            for namespace in namespaces or ():
                self._by_namespace.setdefault(namespace, []).append(policy)

    def of(self, observation: Observation) -> Iterable[CompiledPolicy]:
        if observation.outside is True:
            return self._outside
        if observation.outside is None or not observation.pod_confirmed or observation.namespace is None:
            return self._every
        return [*self._inside, *self._by_namespace.get(observation.namespace, ())]


def _reduced(labels: Mapping[str, str] | None, keys: frozenset[str]) -> object:
    """Return the labels that have a part in an answer; None where labels are unknown."""
    if labels is None or not keys:
        return None if labels is None else ()
    return tuple(sorted((key, value) for key, value in labels.items() if key in keys))


_UNRESOLVED: Final = {
    Unresolved.VIOLATION: Result.VIOLATION,
    Unresolved.ERROR: Result.ERROR,
    Unresolved.ALLOW: Result.ALLOWED,
}
