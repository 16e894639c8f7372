"""Explanations: what they say of each policy and rule is what the judge went by."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.policies import NOW, A, B, C, allow, deny, exception, policy, reported, seen
from rollcall.explain import explain, explain_image
from rollcall.explain_words import words
from rollcall.judge import Result, Trust
from rollcall.judge.verdict import MATCH
from rollcall.policy import ImageAdmissionPolicy
from rollcall.policy.model import Effect
from rollcall.references import InvalidReferenceError

PATTERNS = ["ghcr.io/acme/app", "ghcr.io/acme/*", "ghcr.io/**", "*.acme.test/**", "*/**", "app"]
IMAGES = ["ghcr.io/acme/app:1", "ghcr.io/acme/app", "app", "eu.acme.test/x/y:1", f"ghcr.io/acme/app@{A}", None]


def some(items: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(items), unique=True, max_size=2)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    effects = draw(st.lists(st.sampled_from(Effect), max_size=4))
    for number, effect in enumerate(effects):
        fields = {
            "images": draw(some(PATTERNS)),
            "tags": draw(some(["latest", "1", "1*"])),
            "digests": draw(some([A, B, C])),
        }
        written = {name: value for name, value in fields.items() if value}
        make = allow if written and effect is Effect.ALLOW else deny
        made.append(make(f"r{number}", **written))
    return made


@given(
    rules(),
    st.sampled_from(IMAGES),
    st.lists(st.sampled_from([A, B]), unique=True),
    st.sampled_from([None, "ghcr.io/acme/app", "other.test/app"]),
)
def test_an_explanation_agrees_with_the_judge(
    written: list[dict[str, Any]], image: str | None, digests: list[str], repository: str | None
) -> None:
    """Found one field at a time and put into the order of evaluation, it is what the judge found in its own way."""
    observation = seen(image, *(reported(digest, repository) for digest in digests))
    explanation = explain(observation, [policy(*written)], [], None, NOW)
    (account,) = explanation.policies
    matching = {
        effect: {rule.rule for rule in account.rules if rule.matches and rule.effect is effect} for effect in Effect
    }
    deciding = {ruling.rule for ruling in explanation.verdict.deciding}
    if matching[Effect.DENY]:
        assert (explanation.verdict.result, deciding) == (Result.VIOLATION, matching[Effect.DENY])
    elif image is None and not digests:
        assert deciding == {"(unresolved)"}
    elif matching[Effect.ALLOW]:
        assert (explanation.verdict.result, deciding) == (Result.ALLOWED, matching[Effect.ALLOW])
    elif any(rule["effect"] == "Allow" for rule in written):
        assert deciding == {"(unmatched)"}
    else:
        assert explanation.verdict.result is Result.UNMATCHED


def test_each_field_says_what_it_was_compared_with() -> None:
    rule = allow(images=["ghcr.io/acme/*", "quay.io/**"], tags=["v*"], digests=[A])
    (account,) = explain(seen("ghcr.io/acme/app:1", B), [policy(rule)], [], None, NOW).policies
    images, tags, digests = account.rules[0].fields
    assert (images.matched, images.found) == (("ghcr.io/acme/*",), ("ghcr.io/acme/app",))
    assert (tags.matched, tags.found) == ((), ("1",))
    assert (digests.matched, digests.found) == ((), (B,))


@pytest.mark.parametrize(
    ("match", "fields", "because"),
    [
        ({"namespaces": {"names": ["prod-*"]}}, {"namespace": "shop"}, "`namespaces` does not hold"),
        ({"pods": {"matchLabels": {"a": "b"}}}, {"pod_labels": {}}, "`pods` does not hold"),
        ({"nodes": {"matchLabels": {"a": "b"}}}, {"node_labels": {}}, "`nodes` does not hold"),
        ({"containers": ["web"]}, {"container": "db"}, "`containers` does not hold"),
        ({"containers": ["web"]}, {"container": "web", "sandbox": True}, "it is a sandbox"),
        ({}, {"outside": True}, "it is outside Kubernetes"),
        ({"outsideKubernetes": True}, {"outside": False}, "it is a pod's"),
        (
            {"containers": ["web"], "outsideKubernetes": True},
            {"container": "db", "outside": True, "namespace": None},
            "`containers` does not hold",
        ),
    ],
)
def test_a_policy_that_is_not_for_a_start_says_why(match: dict[str, Any], fields: dict[str, Any], because: str) -> None:
    explanation = explain(seen(**fields), [policy(deny(), match=match)], [], None, NOW)
    (account,) = explanation.policies
    assert (account.selects, account.rules, explanation.verdict.result) == (False, (), Result.SKIPPED)
    (why,) = account.because
    assert why.startswith(because)


def test_where_it_cannot_be_told_it_says_what_is_unknown() -> None:
    only = policy(deny(), match={"nodes": {"matchLabels": {"a": "b"}}})
    (account,) = explain(seen(node_labels=None), [only], [], None, NOW).policies
    assert (account.selects, account.because) == (None, ("labels of its node",))
    assert account.verdict.deciding[0].rule == MATCH


def test_each_policy_has_its_own_verdict_beside_that_of_all() -> None:
    both = [policy(allow(images=["*/**"]), name="a"), policy(deny(), name="b")]
    explanation = explain(seen(), both, [], None, NOW)
    assert explanation.verdict.result is Result.VIOLATION
    assert [(each.policy, each.verdict.result) for each in explanation.policies] == [
        ("a", Result.ALLOWED),
        ("b", Result.VIOLATION),
    ]


def everything(**spec: Any) -> list[ImageAdmissionPolicy]:
    match = {"namespaces": {"names": ["prod"]}, "pods": {"matchLabels": {"a": "b"}}, "containers": ["web"]}
    return [policy(allow(images=["app"], digests=[A]), match=match, limits={"require": ["memory"]}, **spec)]


def test_a_bare_image_is_judged_whatever_the_match_and_without_limits() -> None:
    explanation = explain_image(f"app:1@{A}", everything(), [], NOW)
    assert (explanation.whatever_match, explanation.policies[0].selects) == (True, True)
    assert (explanation.verdict.result, explanation.verdict.trust) == (Result.ALLOWED, Trust.DIGEST)
    assert "every policy is asked" in "\n".join(words(explanation))


@pytest.mark.parametrize("image", ["app:1", f"app@{B}", f"other/app@{A}"])
def test_a_bare_image_without_the_digest_or_the_name_is_not_approved(image: str) -> None:
    assert explain_image(image, everything(), [], NOW).verdict.result is Result.VIOLATION


@pytest.mark.parametrize("image", [A, "a" * 64])
def test_a_bare_id_is_the_digest_of_a_config(image: str) -> None:
    by_digest = [policy(allow(digests=[A]))]
    assert explain_image(image, by_digest, [], NOW).verdict.result is Result.ALLOWED
    assert explain_image(image, everything(), [], NOW).verdict.result is Result.VIOLATION


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InvalidReferenceError, match="position 0"):
        explain_image("Not An Image", everything(), [], NOW)


def test_an_exception_of_containers_is_for_no_bare_image() -> None:
    everybody, billing = exception("(unmatched)"), exception("(unmatched)", match={"containers": ["web"]})
    assert explain_image("app", everything(), [everybody], NOW).verdict.result is Result.UNMATCHED
    assert explain_image("app", everything(), [billing], NOW).verdict.result is Result.VIOLATION


def test_the_words_of_hostile_names_do_nothing() -> None:
    observation = seen(None, requested="\x1b[2Jevil\n-> Allowed by me", container="a\rb", namespace="n\u202e")
    lines = list(words(explain(observation, [policy(allow(images=["*/**"]))], [], None, NOW)))
    assert all(line.isprintable() for line in lines)
    assert not any(line.lstrip().startswith("-> Allowed") for line in lines)


def test_the_words_name_what_matched_what_did_not_and_what_came_of_it() -> None:
    rules = [allow("ours", images=["ghcr.io/acme/*"], digests=[A]), deny("old", tags=["0.*"])]
    audit = policy(*rules, mode="Audit")
    near = "ours would approve the name, and what the runtime reports is none of its digests"
    lines = list(words(explain(seen("ghcr.io/acme/app:1", B), [audit], [exception("(unmatched)")], None, NOW)))
    assert lines[2:] == [
        "  policy p (Audit) is for it",
        "    Allow ours: does not match",
        "      images: ghcr.io/acme/* matches",
        f"      digests: {B} is none of {A}",
        "    Deny old: does not match",
        "      tags: 1 is none of 0.*",
        f"    -> waived by e: Violation by (unmatched): {near}",
        "    -> Unmatched: no rule speaks of it, and none has to",
    ]
