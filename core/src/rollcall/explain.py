"""Why a start was judged as it was: for each policy whether it is for it, for each rule what matched. Pure.

What the judge says is the judge's own; the rest is found again here, one field at a time, in the slow and obvious way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from rollcall.judge import PolicySet, TagHistory, Verdict, judge
from rollcall.judge.compiled import CompiledPolicy
from rollcall.judge.match import CompiledMatch
from rollcall.judge.rules import CompiledRule, own_digests
from rollcall.observation import Observation
from rollcall.patterns import tag_pattern
from rollcall.policy.model import Effect, ImageAdmissionException, ImageAdmissionPolicy, Match, Mode, Rule
from rollcall.record import DigestKind, ImageDigest
from rollcall.references import image_id, parse

_FIELDS_OF_MATCH: Final = ("namespaces", "pods", "nodes", "containers")


class FieldAccount(Struct, frozen=True, kw_only=True, rename="camel"):
    """One field of a rule: what it asks for, which of that matched, and what it was compared with (None: unknown)."""

    field: str
    wanted: tuple[str, ...]
    matched: tuple[str, ...]
    found: tuple[str, ...] | None


class RuleAccount(Struct, frozen=True, kw_only=True, rename="camel"):
    """One rule: whether all its fields matched."""

    rule: str
    effect: Effect
    matches: bool
    fields: tuple[FieldAccount, ...] = ()


class PolicyAccount(Struct, frozen=True, kw_only=True, rename="camel"):
    """One policy: whether it is for the start (None: that can't be told), why not, and its verdict alone.

    `because` names the fields of its `match` that do not hold, or what is unknown. `rules` is empty where the policy is
    not for the start.
    """

    policy: str
    mode: Mode
    selects: bool | None
    because: tuple[str, ...] = ()
    rules: tuple[RuleAccount, ...] = ()
    verdict: Verdict


class Explanation(Struct, frozen=True, kw_only=True, rename="camel"):
    """One start or image, its verdict, and how each policy came to its part of it.

    `whatever_match` is true for a bare image, which every policy was asked about.
    """

    subject: str
    whatever_match: bool = False
    verdict: Verdict
    policies: tuple[PolicyAccount, ...]


def explain(
    observation: Observation,
    policies: Sequence[ImageAdmissionPolicy],
    exceptions: Sequence[ImageAdmissionException],
    history: TagHistory | None,
    now: int,
) -> Explanation:
    """Judge a start and say why; `now` in ns since 1970."""
    verdict = judge(observation, PolicySet(policies, exceptions), history, now)
    accounts = []
    for policy in sorted(policies, key=lambda each: each.name):
        alone = PolicySet([policy], exceptions)
        accounts.append(_policy(alone.policies[0], observation, judge(observation, alone, history, now)))
    return Explanation(subject=_subject(observation), verdict=verdict, policies=tuple(accounts))


def explain_image(
    image: str,
    policies: Iterable[ImageAdmissionPolicy],
    exceptions: Iterable[ImageAdmissionException],
    now: int,
) -> Explanation:
    """Judge an image that nobody started, by every policy whatever its `match` says, and without its `limits`.

    A digest in it is taken as what the runtime would report. Raises InvalidReferenceError.
    """
    asked = [_for_any(policy) for policy in policies]
    explanation = explain(_observe_image(image), asked, list(exceptions), None, now)
    return replace(explanation, subject=image, whatever_match=True)


def _subject(observation: Observation) -> str:
    whose = f"{observation.namespace or '?'}/{observation.pod_name or '?'}" if observation.pod_name else "no pod"
    return f"{whose}, {observation.container or observation.container_id[:12]}, {observation.requested or '?'}"


def _for_any(policy: ImageAdmissionPolicy) -> ImageAdmissionPolicy:
    return replace(policy, spec=replace(policy.spec, match=Match(), limits=None))


def _observe_image(image: str) -> Observation:
    start = Observation(identity="", container_id="", outside=False, node="", requested=image)
    if (config := image_id(image)) is not None:
        reported = ImageDigest(digest=config, kind=DigestKind.CONFIG, source="given")
        return replace(start, digests=frozenset({reported}), config=config, image_id=config)
    reference = parse(image)
    if reference.digest is None:
        return replace(start, reference=reference)
    given = ImageDigest(digest=reference.digest, kind=DigestKind.REPOSITORY, source="given", repository=reference.name)
    return replace(start, reference=reference, digests=frozenset({given}), repository_digest=reference.digest)


def _policy(policy: CompiledPolicy, observation: Observation, verdict: Verdict) -> PolicyAccount:
    selects = policy.match.selects(observation)
    pairs = zip(policy.source.spec.rules, policy.rules, strict=True)
    return PolicyAccount(
        policy=policy.name,
        mode=policy.source.spec.mode,
        selects=selects,
        because=tuple(_why_not(policy, observation) if selects is False else policy.match.unknown(observation)),
        rules=() if selects is False else tuple(_rule(rule, compiled, observation) for rule, compiled in pairs),
        verdict=verdict,
    )


def _why_not(policy: CompiledPolicy, observation: Observation) -> list[str]:
    match = policy.source.spec.match
    if observation.sandbox and not match.sandboxes:
        return ["it is a sandbox, and `sandboxes` is not true"]
    if observation.outside and not policy.match.outside:
        return ["it is outside Kubernetes, and `outsideKubernetes` is not true"]
    if observation.outside is False and not policy.match.inside:
        return ["it is a pod's, and `outsideKubernetes` alone means what is outside"]
    parts = {name: getattr(match, name) for name in _FIELDS_OF_MATCH}
    said = [name for name, part in parts.items() if part]
    no = [name for name in said if CompiledMatch(_alone(name, parts[name], observation)).selects(observation) is False]
    return [f"`{name}` does not hold" for name in no or said]


def _alone(name: str, part: object, observation: Observation) -> Match:
    """Give a `match` of one field, that means containers wherever they are unless the field says otherwise."""
    return replace(Match(outside_kubernetes=observation.outside is True, sandboxes=True), **{name: part})


def _rule(rule: Rule, compiled: CompiledRule, observation: Observation) -> RuleAccount:
    reference = observation.reference
    reported = frozenset(each.digest for each in observation.digests)
    digests = reported if rule.effect is Effect.DENY else own_digests(observation)
    tag = reference.tag if reference is not None else None
    patterns = {str(pattern): pattern for pattern in compiled.images}
    fields = (
        _field(
            "images",
            tuple(patterns),
            (reference.name,) if reference is not None else None,
            lambda text: reference is not None and patterns[text].matches(reference),
        ),
        _field(
            "tags",
            rule.tags,
            (tag,) if tag is not None else None,
            lambda text: tag is not None and tag_pattern(text).matches(tag),
        ),
        _field("digests", rule.digests, tuple(sorted(digests)) or None, digests.__contains__),
    )
    there = tuple(field for field in fields if field.wanted)
    return RuleAccount(rule=rule.name, effect=rule.effect, matches=all(field.matched for field in there), fields=there)


def _field(
    name: str, wanted: tuple[str, ...], found: tuple[str, ...] | None, matches: Callable[[str], bool]
) -> FieldAccount:
    matched = tuple(text for text in wanted if matches(text))
    return FieldAccount(field=name, wanted=wanted, matched=matched, found=found)
