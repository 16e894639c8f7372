"""Laws of the judge that hold for any policies and any start."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.policies import NOW, A, B, C, exception, policy, reported, seen
from rollcall.judge import PolicySet, Result, Ruling, Trust, judge
from rollcall.observation import Observation
from rollcall.policy import ImageAdmissionException, ImageAdmissionPolicy

WORST_FIRST = list(Result)
RESERVED = ["(unmatched)", "(unresolved)", "(limits)", "(tag-moved)"]

subsets = {
    "images": st.lists(st.sampled_from(["a.io/x", "a.io/*", "*/**", "*.io/y", "b.io/**"]), min_size=1, max_size=2),
    "tags": st.lists(st.sampled_from(["1", "1*", "latest"]), min_size=1, max_size=2),
    "digests": st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=2),
}
fields = st.fixed_dictionaries({}, optional=subsets)
rules = st.builds(
    lambda effect, items: {"effect": effect, **(items or {"images": ["a.io/x"]})},
    st.sampled_from(["Allow", "Deny"]),
    fields,
)
matches = st.sampled_from([
    {},
    {"outsideKubernetes": True},
    {"namespaces": {"names": ["shop"]}},
    {"namespaces": {"names": ["s*"]}, "outsideKubernetes": True},
    {"pods": {"matchLabels": {"app": "cart"}}},
    {"containers": ["c*"]},
    {"sandboxes": True},
])  # fmt: skip
specs = st.fixed_dictionaries(
    {"match": matches},
    optional={
        "unmatched": st.sampled_from(["Violation", "Allow"]),
        "unresolved": st.sampled_from(["Violation", "Error", "Allow"]),
        "limits": st.sampled_from([{"require": ["memory"]}, {"max": {"cpu": 1}}]),
        "tags": st.sampled_from([{"tagMoved": held} for held in ("Ignore", "Report", "Violation")]),
        "mode": st.sampled_from(["Audit", "Alert"]),
    },
)


def named(number: int, spec: dict[str, Any], some: list[dict[str, Any]]) -> ImageAdmissionPolicy:
    return policy(*({"name": f"r{at}", **rule} for at, rule in enumerate(some)), name=f"p{number}", **spec)


policies = st.lists(st.tuples(specs, st.lists(rules, max_size=3)), max_size=4).map(
    lambda several: [named(number, *each) for number, each in enumerate(several)]
)
exceptions = st.lists(
    st.builds(
        lambda policy, rules, match, images: (rules, {"policy": policy, "match": match, **images}),
        st.sampled_from(["p0", "p1"]),
        st.lists(st.sampled_from(["r0", "r1", *RESERVED]), min_size=1, max_size=2, unique=True),
        matches,
        st.sampled_from([{}, {"images": ["a.io/*"]}]),
    ),
    max_size=3,
).map(lambda several: [exception(*rules, name=f"e{number}", **spec) for number, (rules, spec) in enumerate(several)])
digests = st.lists(
    st.builds(reported, st.sampled_from([A, B, C]), st.sampled_from(["a.io/x", "a.io/y", "b.io/x", None])), max_size=3
)
observations = st.builds(
    lambda image, some, fields: seen(image, *some, **fields),
    st.sampled_from(["a.io/x:1", "a.io/x", "a.io/y:12", f"a.io/x:1@{A}", f"b.io/x@{B}", "a.b.io/y", None, "0" * 64]),
    digests,
    st.fixed_dictionaries(
        {},
        optional={
            "outside": st.sampled_from([True, None]),
            "namespace": st.sampled_from(["other", None]),
            "pod_labels": st.sampled_from([None, {}]),
            "pod_labels_truncated": st.sampled_from([True]),
            "sandbox": st.sampled_from([True, None]),
            "container": st.sampled_from([None, "x"]),
            "memory": st.sampled_from([1, False]),
            "cpu": st.sampled_from([1, False, 2000]),
        },
    ),
)


class Before:
    def moved(self, repository: str, tag: str, digests: object) -> tuple[str, ...] | None:  # noqa: ARG002
        return (C,) if tag == "1" else None


def shuffled(made: ImageAdmissionPolicy, order: random.Random) -> ImageAdmissionPolicy:
    """Give a policy with its rules, and the items of each, in another order."""
    written = msgspec.to_builtins(made)
    some = written["spec"].get("rules", [])
    for rule in some:
        for field in ("images", "tags", "digests"):
            if field in rule:
                rule[field] = order.sample(rule[field], len(rule[field]))
    written["spec"]["rules"] = order.sample(some, len(some))
    return msgspec.convert(written, ImageAdmissionPolicy)


@given(policies, exceptions, observations, st.randoms(use_true_random=False))
def test_no_order_matters(
    some: list[ImageAdmissionPolicy],
    waived: list[ImageAdmissionException],
    observation: Observation,
    order: random.Random,
) -> None:
    one = judge(observation, PolicySet(some, waived), Before(), NOW)
    others = order.sample([shuffled(each, order) for each in some], len(some))
    assert judge(observation, PolicySet(others, order.sample(waived, len(waived))), Before(), NOW) == one


@given(policies, observations)
def test_a_policy_more_never_makes_it_better(some: list[ImageAdmissionPolicy], observation: Observation) -> None:
    before = Result.SKIPPED
    for count in range(len(some) + 1):
        found = judge(observation, PolicySet(some[:count]), Before(), NOW)
        assert WORST_FIRST.index(found.result) <= WORST_FIRST.index(before)
        before = found.result


@given(policies, observations)
def test_policies_together_say_what_each_says_alone(some: list[ImageAdmissionPolicy], observation: Observation) -> None:
    together = judge(observation, PolicySet(some), Before(), NOW)
    alone = [judge(observation, PolicySet([each]), Before(), NOW) for each in some]
    assert together.failing == tuple(ruling for found in alone for ruling in found.failing)
    assert together.result is min((found.result for found in alone), key=WORST_FIRST.index, default=Result.SKIPPED)


@given(policies, exceptions, observations)
def test_an_exception_never_waives_a_rule_that_it_does_not_name(
    some: list[ImageAdmissionPolicy], waived: list[ImageAdmissionException], observation: Observation
) -> None:
    without = judge(observation, PolicySet(some), Before(), NOW)
    found = judge(observation, PolicySet(some, waived), Before(), NOW)
    by_name = {each.name: each for each in waived}
    for ruling in found.waived:
        for name in ruling.waived_by:
            assert by_name[name].spec.policy == ruling.policy
            assert ruling.rule in by_name[name].spec.rules
    named = {(each.spec.policy, rule) for each in waived for rule in each.spec.rules}
    gone = {(ruling.policy, ruling.rule) for ruling in without.failing} - {
        (ruling.policy, ruling.rule) for ruling in found.failing
    }
    assert gone <= named


@given(policies, exceptions, observations)
def test_what_has_expired_waives_nothing(
    some: list[ImageAdmissionPolicy], waived: list[ImageAdmissionException], observation: Observation
) -> None:
    policies_alone = judge(observation, PolicySet(some), Before(), NOW)
    assert judge(observation, PolicySet(some, waived), Before(), 2**62) == policies_alone


@given(policies, observations, st.sampled_from([A, B, C]))
def test_no_digest_that_was_only_asked_for_changes_anything(
    some: list[ImageAdmissionPolicy], observation: Observation, digest: str
) -> None:
    if observation.reference is None:
        return
    pinned = replace(observation, reference=replace(observation.reference, digest=digest))
    other = replace(observation, reference=replace(observation.reference, digest="sha256:" + "0" * 64))
    policies_ = PolicySet(some)

    def said(rulings: tuple[Ruling, ...]) -> list[tuple[str, str]]:
        return [(ruling.policy, ruling.rule) for ruling in rulings]

    one, two = judge(pinned, policies_, None, NOW), judge(other, policies_, None, NOW)
    assert (one.result, one.trust, said(one.failing)) == (two.result, two.trust, said(two.failing))


@given(policies, observations)
def test_trust_in_a_digest_needs_a_digest_that_is_reported_and_approved(
    some: list[ImageAdmissionPolicy], observation: Observation
) -> None:
    found = judge(observation, PolicySet(some), None, NOW)
    if found.trust is Trust.DIGEST:
        approved = {digest for each in some for rule in each.spec.rules for digest in rule.digests}
        assert approved & {each.digest for each in observation.digests}


@given(policies, observations)
def test_what_failed_is_never_called_allowed(some: list[ImageAdmissionPolicy], observation: Observation) -> None:
    found = judge(observation, PolicySet(some), Before(), NOW)
    assert bool(found.failing) == (found.result in {Result.VIOLATION, Result.ERROR})
    assert all(ruling.result is found.result for ruling in found.deciding)
    assert (found.trust is not None) <= (found.result is Result.ALLOWED)
    assert found.message.isprintable()


@given(policies, st.lists(observations, max_size=6))
def test_asking_again_or_about_others_between_changes_nothing(
    some: list[ImageAdmissionPolicy], several: list[Observation]
) -> None:
    policies_ = PolicySet(some)
    first = [judge(each, policies_, Before(), NOW) for each in several]
    assert [judge(each, policies_, Before(), NOW) for each in several] == first
    assert [judge(each, PolicySet(some), Before(), NOW) for each in several] == first
