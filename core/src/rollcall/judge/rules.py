"""Which rules match an image: found by what they name, so that the cost is that of the rules that may match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from rollcall.judge.globs import GlobIndex
from rollcall.judge.verdict import Ruling
from rollcall.observation import Observation
from rollcall.patterns import image_pattern, tag_pattern
from rollcall.policy.model import Effect, Rule
from rollcall.record import Reference
from rollcall.references import InvalidReferenceError, parse


class CompiledRule:
    """A rule, compiled: `policy` and `number` are its places among all, `ruling` what it says when it matches."""

    __slots__ = ("_tags", "digests", "effect", "images", "name", "number", "policy", "ruling")

    def __init__(self, rule: Rule, policy: int, number: int, ruling: Ruling) -> None:
        self.name = rule.name
        self.effect = rule.effect
        self.policy = policy
        self.number = number
        self.ruling = ruling
        self.images = tuple(image_pattern(text) for text in rule.images)
        self.digests = frozenset(rule.digests)
        self._tags = tuple(tag_pattern(text) for text in rule.tags)

    def matches_tag(self, reference: Reference | None) -> bool:
        """Say whether the tag that was asked for matches, whether or not a digest was asked for as well."""
        if not self._tags:
            return True
        tag = reference.tag if reference is not None else None
        return tag is not None and any(pattern.matches(tag) for pattern in self._tags)

    def matches_digest(self, digests: frozenset[str]) -> bool:
        """Say whether one of the digests that the runtime reports is among the rule's."""
        return not self.digests or not self.digests.isdisjoint(digests)


class PolicyMatch(Struct, frozen=True):
    """What of one policy matches an image; `near` are Allow rules that match but for their digests."""

    denies: tuple[CompiledRule, ...]
    allows: tuple[CompiledRule, ...]
    near: tuple[CompiledRule, ...]


class Matches(Struct, frozen=True):
    """What matches an image, by the number of the policy; `aliases` are Deny rules with another name of the image."""

    by_policy: Mapping[int, PolicyMatch]
    aliases: tuple[tuple[CompiledRule, str], ...]


class RuleIndex:
    """All rules of a policy set."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self._hosts: dict[str, GlobIndex[CompiledRule]] = {}
        self._by_digest: dict[str, list[CompiledRule]] = {}
        self._anywhere: list[CompiledRule] = []
        for rule in rules:
            for pattern in rule.images:
                self._hosts.setdefault(pattern.host, GlobIndex[CompiledRule]()).add(pattern.path, rule)
            if not rule.images:
                for digest in rule.digests:
                    self._by_digest.setdefault(digest, []).append(rule)
                if not rule.digests:
                    self._anywhere.append(rule)

    def matches(self, observation: Observation) -> Matches:
        """Find every rule that matches what runs: its names by what was asked for, its digests by what was reported."""
        reference = observation.reference
        reported = frozenset(each.digest for each in observation.digests)
        own = own_digests(observation)
        found: dict[int, tuple[list[CompiledRule], list[CompiledRule], list[CompiledRule]]] = {}
        for rule in self._candidates(reference, reported):
            if not rule.matches_tag(reference):
                continue
            denies, allows, near = found.setdefault(rule.policy, ([], [], []))
            if rule.effect is Effect.DENY:
                # What is known to be bad is bad under any name; an approval is for the repository that was asked for.
                if rule.matches_digest(reported):
                    denies.append(rule)
            elif rule.matches_digest(own):
                allows.append(rule)
            elif rule.images:
                near.append(rule)
        by_policy = {policy: PolicyMatch(*map(tuple, parts)) for policy, parts in found.items()}
        return Matches(by_policy, tuple(self._aliases(observation, reported)))

    def _candidates(self, reference: Reference | None, reported: frozenset[str]) -> Iterable[CompiledRule]:
        candidates = {rule.number: rule for rule in self._anywhere}
        for digest in reported:
            candidates.update((rule.number, rule) for rule in self._by_digest.get(digest, ()))
        if reference is not None:
            candidates.update((rule.number, rule) for rule in self._by_name(reference))
        return candidates.values()

    def _by_name(self, reference: Reference) -> Iterator[CompiledRule]:
        host = reference.registry
        below = ["*" + host[at:] for at, character in enumerate(host) if character == "." and at > 0]
        for pattern in (host, *below, "*"):
            if (paths := self._hosts.get(pattern)) is not None:
                yield from paths.matching(reference.repository)

    def _aliases(self, observation: Observation, reported: frozenset[str]) -> Iterator[tuple[CompiledRule, str]]:
        asked = observation.reference.name if observation.reference is not None else None
        for name in sorted({each.repository for each in observation.digests if each.repository is not None}):
            if name == asked:
                continue
            try:
                reference = parse(name)
            except InvalidReferenceError:
                continue
            for rule in self._by_name(reference):
                if rule.effect is Effect.DENY and rule.matches_digest(reported):
                    yield rule, name


def own_digests(observation: Observation) -> frozenset[str]:
    """Return the reported digests that an approval may go by: those of the requested repository, or of no repository.

    Another name of the same image may have been added by anybody's pull, and says nothing about this one.
    """
    asked = observation.reference.name if observation.reference is not None else None
    return frozenset(each.digest for each in observation.digests if each.repository in {None, asked})
