"""What a verdict says to people, word for word, and which rules and names it speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from lab.policies import NOW, A, B, allow, deny, exception, policy, reported, seen
from rollcall.judge import Cause, PolicySet, Result, Verdict, judge
from rollcall.observation import Observation
from rollcall.policy import ImageAdmissionException, ImageAdmissionPolicy
from rollcall.record import ImageDigest

APP = "ghcr.io/acme/app:1"
KIB = 1024


class Moved:
    """A history in which every tag led to A before."""

    def moved(self, repository: str, tag: str, digests: object) -> tuple[str, ...]:
        assert (repository, tag, bool(digests)) == ("ghcr.io/acme/app", "1", True)
        return (A,)


def said(
    observation: Observation, *policies: ImageAdmissionPolicy, waived: tuple[ImageAdmissionException, ...] = ()
) -> Verdict:
    return judge(observation, PolicySet(policies, waived), None, NOW)


@pytest.mark.parametrize(
    ("limits", "given", "cause", "words"),
    [
        ({"require": ["memory"]}, {"memory": False}, Cause.LIMITS, "it has no limit of memory"),
        ({"require": ["cpu"]}, {"cpu": False}, Cause.LIMITS, "it has no limit of cpu"),
        (
            {"require": ["memory", "cpu"]},
            {"memory": False, "cpu": False},
            Cause.LIMITS,
            "it has no limit of memory, it has no limit of cpu",
        ),
        (
            {"max": {"memory": "1Ki"}},
            {"memory": 2 * KIB},
            Cause.LIMITS,
            "its limit of memory, 2048 bytes, is above 1Ki",
        ),
        (
            {"max": {"cpu": "500m"}},
            {"cpu": 501},
            Cause.LIMITS,
            "its limit of cpu, 501 thousandths of a core, is above 500m",
        ),
        (
            {"require": ["memory", "cpu"]},
            {},
            Cause.LIMITS_UNKNOWN,
            "its limit of memory is unknown, its limit of cpu is unknown",
        ),
    ],
)
def test_limits(limits: dict[str, Any], given: dict[str, Any], cause: Cause, words: str) -> None:
    (ruling,) = said(seen(APP, **given), policy(limits=limits)).failing
    assert (ruling.rule, ruling.cause, ruling.message) == ("(limits)", cause, words)


def test_a_limit_that_nobody_asked_for_is_not_looked_at() -> None:
    assert said(seen(APP, cpu=False), policy(limits={"max": {"memory": "1Ki"}})).failing[0].message == (
        "its limit of memory is unknown"
    )
    assert said(seen(APP, memory=KIB, cpu=None), policy(limits={"max": {"memory": "1Ki"}})).failing == ()


@pytest.mark.parametrize(("tag_moved", "result"), [("Violation", Result.VIOLATION), ("Report", Result.UNMATCHED)])
def test_a_tag_that_moved(tag_moved: str, result: Result) -> None:
    only = policy(tags={"tagMoved": tag_moved})
    verdict = judge(seen(APP, B), PolicySet([only]), Moved(), NOW)
    told = [(each.rule, each.message) for each in verdict.failing]
    told += [(each.rule, each.message) for each in verdict.notices]
    assert (verdict.result, told) == (result, [("(tag-moved)", f"the tag led to {A} before")])
    assert [ruling.cause for ruling in verdict.failing] == [Cause.TAG_MOVED] * (result is Result.VIOLATION)


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([policy(deny(images=["other"]))], "no rule speaks of it, and none has to"),
        ([policy(deny("no"))], "p/no: a Deny rule matches"),
        ([policy(deny("no", reason="it is bad"))], "p/no: a Deny rule matches (it is bad)"),
        ([policy(deny("a"), deny("b"))], "p/a: a Deny rule matches; p/b: a Deny rule matches"),
        ([policy(*map(deny, "abc"))], "; ".join(f"p/{rule}: a Deny rule matches" for rule in "abc")),
        (
            [policy(*map(deny, "abcd"))],
            "; ".join(f"p/{rule}: a Deny rule matches" for rule in "abc") + "; and 1 more",
        ),
        (
            [policy(*map(deny, "abcde"))],
            "; ".join(f"p/{rule}: a Deny rule matches" for rule in "abc") + "; and 2 more",
        ),
    ],
)
def test_the_message_names_what_decided(policies: list[ImageAdmissionPolicy], message: str) -> None:
    assert said(seen(APP), *policies).message == f"{APP}: {message}"


def test_the_message_names_what_was_waived_and_by_which_exceptions() -> None:
    waived = (exception("no"), exception("no", name="f"))
    assert said(seen(APP), policy(deny("no")), waived=waived).message == (
        f"{APP}: no rule speaks of it, and none has to; waived: p/no by e, f"
    )


def test_what_is_unknown_of_a_match_is_named() -> None:
    match = {"nodes": {"matchLabels": {"a": "b"}}, "containers": ["web"]}
    (ruling,) = said(seen(APP, container=None, node_labels=None), policy(deny(), match=match)).failing
    unknown = "labels of its node and its container's name"
    assert ruling.message == f"whether it is meant can't be told: unknown or cut is {unknown}"


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("*/acme/app", APP),
        ("*/acme/*", APP),
        ("*.example.com/app", "a.example.com/app"),
        ("*.example.com/**", "b.a.example.com/app"),
        ("*.com/app", "a.example.com/app"),
    ],
)
def test_a_rule_is_found_by_any_pattern_of_its_host(pattern: str, image: str) -> None:
    assert said(seen(image), policy(deny(images=[pattern]))).result is Result.VIOLATION
    assert said(seen(image), policy(allow(images=[pattern]))).result is Result.ALLOWED


@pytest.mark.parametrize(
    ("rule", "digests", "noted"),
    [
        (deny("bad", images=["evil.test/app"]), (reported(A, "evil.test/app"),), ["bad"]),
        (deny("bad", images=["evil.test/app"]), (reported(A, "Not/A/Name"), reported(A, "evil.test/app")), ["bad"]),
        (deny("bad", images=["evil.test/app"], digests=[B]), (reported(A, "evil.test/app"),), []),
        (allow("good", images=["evil.test/app"]), (reported(A, "evil.test/app"),), []),
        (deny("bad", images=["ghcr.io/acme/app"]), (reported(A, "ghcr.io/acme/app"),), []),
        (deny("bad", images=["evil.test/app"]), (reported(A, "good.test/app"),), []),
    ],
)
def test_another_name_of_the_image_is_noted_only_where_a_deny_rule_refuses_it(
    rule: dict[str, Any], digests: tuple[ImageDigest, ...], noted: list[str]
) -> None:
    assert [notice.rule for notice in said(seen(APP, *digests), policy(rule)).notices] == noted


def test_what_is_allowed_needs_no_exception_and_is_not_waived_by_one() -> None:
    lenient = policy(allow(images=["*/**"]), unresolved="Allow")
    verdict = said(seen(None), lenient, waived=(exception("(unresolved)"),))
    assert (verdict.result, verdict.waived) == (Result.ALLOWED, ())


@pytest.mark.parametrize(
    ("observation", "image"),
    [
        (seen("nginx"), "docker.io/library/nginx:latest"),
        (seen(None), "unknown image"),
        (seen(None, requested="Not\na name"), "Not\\x0aa name"),
    ],
)
def test_the_message_names_the_image_as_it_was_normalised_or_else_as_it_was_asked_for(
    observation: Observation, image: str
) -> None:
    assert said(observation, policy(deny("no"))).message.startswith(f"{image}: p/no: ")


def test_labels_of_a_namespace_that_is_only_claimed_select_nothing_for_certain() -> None:
    match = {"namespaces": {"matchLabels": {"env": "prod"}}}
    confirmed = seen(APP, namespace_labels={"env": "prod"})
    claimed = seen(APP, namespace_labels={"env": "prod"}, pod_confirmed=False)
    results = [said(each, policy(deny(), match=match)).result for each in (confirmed, claimed)]
    assert results == [Result.VIOLATION, Result.ERROR]
