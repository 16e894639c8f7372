"""A set of policies and exceptions, compiled once and asked for each start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rollcall.judge.globs import GlobIndex
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
_MOST_POLICIES_REMEMBERED: Final = 250_000  # in all selections together: some MiB


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
    """A policy, compiled, with the rulings that need no look at a container.

    It is `attentive` where it has something to say, or an exception to it, whatever the image.
    """

    __slots__ = (
        "attentive", "exceptions", "limits", "match", "name", "number", "rules", "source", "tag_moved", "unknown",
        "unmatched", "unresolved",
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
        self.attentive = bool(exceptions) or self.limits is not None
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


class Selection:
    """The policies that are for a container, and those of which that can't be told, in the order of their names.

    Of those that are, `attentive` have to be asked about every image. The others have nothing to say of one that none
    of their rules speaks of but that it is not approved: `default` is what they say then, at the place `places` gives.
    """

    __slots__ = ("attentive", "by_number", "default", "places", "sure", "unsure")

    def __init__(self, sure: list[CompiledPolicy], unsure: list[CompiledPolicy]) -> None:
        self.sure = tuple(sorted(sure, key=_number))
        self.unsure = tuple(sorted(unsure, key=_number))
        self.by_number = {policy.number: policy for policy in self.sure}
        self.attentive = tuple(policy for policy in self.sure if policy.attentive)
        defaults = [
            (policy.number, policy.unmatched)
            for policy in self.sure
            if policy.unmatched is not None and not policy.attentive
        ]
        self.places = [number for number, _ in defaults]
        self.default = tuple(ruling for _, ruling in defaults)


def _number(policy: CompiledPolicy) -> int:
    return policy.number


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
        most = max(1, min(_MOST_REMEMBERED, _MOST_POLICIES_REMEMBERED // max(1, len(self.policies))))
        self._memo: Memo[Selection] = Memo(most)
        self._keys = [frozenset[str]().union(*parts) for parts in self._label_keys()]
        self._looks_at_namespaces = any(policy.match.namespaces for policy in self.policies)
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
        return Selection(sure, unsure)

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
            observation.namespace if self._looks_at_namespaces else observation.namespace is None,
            observation.container if self._looks_at_containers else None,
            observation.pod_labels_truncated,
            _reduced(observation.namespace_labels, namespaces),
            _reduced(observation.pod_labels, pods),
            _reduced(observation.node_labels, nodes),
        )


class _Candidates:
    """The policies that may be for a container: by where it is, its namespace, and one label of its pod."""

    def __init__(self, policies: Iterable[CompiledPolicy]) -> None:
        self._every = tuple(policies)
        self._outside = tuple(policy for policy in self._every if policy.match.outside)
        self._by_namespace: GlobIndex[CompiledPolicy] = GlobIndex()
        self._by_label: dict[tuple[str, str], list[CompiledPolicy]] = {}
        self._others: list[CompiledPolicy] = []
        for policy in self._every:
            match = policy.match
            if match.namespaces:
                for namespace in match.namespaces:
                    self._by_namespace.add(namespace, policy)
            elif match.pod_label is not None:
                self._by_label.setdefault(match.pod_label, []).append(policy)
            elif match.inside:
                self._others.append(policy)

    def of(self, observation: Observation) -> Iterable[CompiledPolicy]:
        if observation.outside is True:
            return self._outside
        labels = None if observation.pod_labels_truncated else observation.pod_labels
        unsure = observation.outside is None or not observation.pod_confirmed
        if unsure or labels is None or observation.namespace is None:
            return self._every
        found = {policy.number: policy for policy in self._by_namespace.matching(observation.namespace)}
        for label in labels.items():
            found.update((policy.number, policy) for policy in self._by_label.get(label, ()))
        return [*self._others, *found.values()]


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
