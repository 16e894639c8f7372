"""The rules of evaluation, one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from lab.policies import CONFIG, NOW, A, B, C, allow, deny, exception, policy, reported, seen
from rollcall.judge import Cause, PolicySet, Result, Trust, Verdict, judge
from rollcall.observation import Observation
from rollcall.policy import ImageAdmissionPolicy
from rollcall.record import DigestKind, ImageDigest

V, E, A_, U, S = Result.VIOLATION, Result.ERROR, Result.ALLOWED, Result.UNMATCHED, Result.SKIPPED
ACME = allow("acme", images=["ghcr.io/acme/**"])
LATEST = deny("no-latest", tags=["latest"], reason="it moves", link="https://wiki.example/latest")


class Before:
    """A history in which every tag led to some digests before."""

    def __init__(self, *digests: str) -> None:
        self.digests = digests
        self.asked: list[tuple[str, str, frozenset[str]]] = []

    def moved(self, repository: str, tag: str, digests: frozenset[ImageDigest]) -> Collection[str] | None:
        names = frozenset(each.digest for each in digests)
        self.asked.append((repository, tag, names))
        return None if not set(self.digests) - names else self.digests


def verdict(observation: Observation, *policies: ImageAdmissionPolicy, **others: Any) -> Verdict:
    return judge(
        observation,
        PolicySet(policies, others.get("exceptions", ())),
        others.get("history"),
        others.get("now", NOW),
    )


def failures(found: Verdict) -> set[tuple[str, str]]:
    return {(ruling.policy, ruling.rule) for ruling in found.failing}


@pytest.mark.parametrize(
    ("rules", "spec", "image", "result", "rule"),
    [
        ([ACME], {}, "ghcr.io/acme/app:1", A_, "acme"),
        ([ACME], {}, "ghcr.io/other/app:1", V, "(unmatched)"),
        ([ACME], {"unmatched": "Allow"}, "ghcr.io/other/app:1", U, None),
        ([ACME, LATEST], {}, "ghcr.io/acme/app", V, "no-latest"),
        ([LATEST, ACME], {}, "ghcr.io/acme/app", V, "no-latest"),
        ([LATEST], {}, "ghcr.io/other/app:1", U, None),
        ([LATEST], {}, "ghcr.io/other/app", V, "no-latest"),
        ([], {}, "ghcr.io/other/app", U, None),
        ([allow("a", images=["ghcr.io/acme/**"], tags=["1.*"])], {}, "ghcr.io/acme/app:1.2", A_, "a"),
        ([allow("a", images=["ghcr.io/acme/**"], tags=["1.*"])], {}, "ghcr.io/acme/app:2.0", V, "(unmatched)"),
        ([allow("a", images=["ghcr.io/acme/**"], tags=["1.*"])], {}, "ghcr.io/evil/app:1.2", V, "(unmatched)"),
        ([allow("a", images=["ghcr.io/x/*", "ghcr.io/acme/*"], tags=["9", "1"])], {}, "ghcr.io/acme/app:1", A_, "a"),
        ([deny("all")], {}, "ghcr.io/acme/app:1", V, "all"),
        ([deny("all"), ACME], {"unmatched": "Allow"}, "ghcr.io/acme/app:1", V, "all"),
    ],
)
def test_deny_outweighs_allow_and_what_is_left_is_a_violation_where_something_is_allowed(
    rules: list[dict[str, Any]], spec: dict[str, Any], image: str, result: Result, rule: str | None
) -> None:
    found = verdict(seen(image), policy(*rules, **spec))
    assert found.result is result
    assert [ruling.rule for ruling in found.deciding] == ([rule] if rule else [])
    assert bool(found.failing) == (result is V)


def test_digests_match_what_is_reported_and_never_what_was_asked_for() -> None:
    by_digest = policy(allow("pinned", digests=[A]))
    assert verdict(seen(f"ghcr.io/acme/app@{A}", B), by_digest).result is V
    assert verdict(seen(f"ghcr.io/acme/app@{B}", A), by_digest).result is A_
    assert verdict(seen(f"ghcr.io/acme/app:1@{A}"), by_digest).result is V
    assert verdict(seen(f"ghcr.io/acme/app@{A}", B), policy(deny("bad", digests=[A]))).result is U
    assert verdict(seen(f"ghcr.io/acme/app@{B}", A), policy(deny("bad", digests=[A]))).result is V


def test_a_name_alone_meets_the_rules_as_usual_and_none_with_digests() -> None:
    assert verdict(seen("ghcr.io/acme/app:1"), policy(ACME)).result is A_
    found = verdict(seen("ghcr.io/acme/app:1"), policy(allow("pinned", images=["ghcr.io/acme/**"], digests=[A])))
    assert found.result is V
    assert found.failing[0].cause is Cause.DIGEST_MISMATCH
    assert "pinned" in found.message


@pytest.mark.parametrize(
    ("rules", "trust"),
    [
        ([ACME], Trust.NAME),
        ([allow("pinned", digests=[A])], Trust.DIGEST),
        ([ACME, allow("pinned", digests=[A])], Trust.DIGEST),
        ([ACME, allow("pinned", digests=[B])], Trust.NAME),
        ([allow("both", images=["ghcr.io/acme/**"], digests=[A, B])], Trust.DIGEST),
    ],
)
def test_an_approval_says_what_it_relies_on(rules: list[dict[str, Any]], trust: Trust) -> None:
    found = verdict(seen("ghcr.io/acme/app:1", A), policy(*rules))
    assert (found.result, found.trust) == (A_, trust)


def test_one_policy_that_goes_by_digest_makes_it_trust_in_a_digest() -> None:
    found = verdict(seen("ghcr.io/acme/app:1", A), policy(ACME), policy(allow("pinned", digests=[A]), name="q"))
    assert found.trust is Trust.DIGEST
    assert [(ruling.policy, ruling.rule) for ruling in found.deciding] == [("p", "acme"), ("q", "pinned")]


def test_a_violation_has_no_trust() -> None:
    assert verdict(seen("ghcr.io/acme/app"), policy(ACME), policy(LATEST, name="q")).trust is None


def test_another_name_of_the_same_image_never_allows() -> None:
    alias = reported(A, "ghcr.io/acme/app")
    for image in ("quay.io/evil/app:1", CONFIG, "localhost/built:1"):
        found = verdict(seen(image, alias), policy(allow("pinned", digests=[A])), policy(ACME, name="q"))
        assert failures(found) == {("p", "(unmatched)"), ("q", "(unmatched)")}


def test_another_name_of_the_same_image_only_warns_where_it_is_refused() -> None:
    alias = reported(A, "quay.io/evil/app")
    found = verdict(seen("ghcr.io/acme/app:1", A, alias), policy(ACME, deny("evil", images=["quay.io/evil/**"])))
    assert found.result is A_
    assert [(notice.policy, notice.rule) for notice in found.notices] == [("p", "evil")]
    assert "quay.io/evil/app" in found.notices[0].message


def test_a_refused_digest_is_refused_under_any_name() -> None:
    alias = reported(A, "quay.io/evil/app")
    assert verdict(seen("ghcr.io/acme/app:1", B, alias), policy(ACME, deny("bad", digests=[A]))).result is V


def test_a_digest_of_the_config_is_a_digest_that_the_runtime_reports() -> None:
    image = seen(CONFIG, reported(CONFIG, None, DigestKind.CONFIG))
    assert verdict(image, policy(allow("pinned", digests=[CONFIG]))).trust is Trust.DIGEST
    assert verdict(image, policy(allow("every", images=["*/**"]))).result is V


def test_the_worst_policy_wins_and_every_failing_one_is_named() -> None:
    unknown = policy(name="limits", limits={"require": ["memory"]})
    allowing, open_, one, two = (
        policy(ACME, name="allows"),
        policy(name="says-nothing"),
        policy(LATEST, name="one"),
        policy(allow(images=["quay.io/**"]), name="two"),
    )
    image = seen("ghcr.io/acme/app")
    assert verdict(image).result is S
    assert verdict(image, open_).result is U
    assert verdict(image, open_, allowing).result is A_
    assert verdict(image, open_, allowing, unknown).result is E
    worst = verdict(image, open_, allowing, unknown, one, two)
    assert worst.result is V
    assert failures(worst) == {("limits", "(limits)"), ("one", "no-latest"), ("two", "(unmatched)")}
    assert [(ruling.policy, ruling.rule) for ruling in worst.deciding] == [("one", "no-latest"), ("two", "(unmatched)")]


def test_every_rule_that_refuses_is_named_with_what_people_see() -> None:
    found = verdict(
        seen("ghcr.io/acme/app"), policy(LATEST, deny("x", images=["ghcr.io/**"]), severity="high", mode="Audit")
    )
    assert failures(found) == {("p", "no-latest"), ("p", "x")}
    (latest,) = (ruling for ruling in found.failing if ruling.rule == "no-latest")
    assert (latest.reason, latest.link) == ("it moves", "https://wiki.example/latest")
    assert (latest.severity, latest.mode, latest.cause) == ("high", "Audit", Cause.DENIED)
    assert "it moves" in found.message


def test_audit_changes_no_verdict() -> None:
    for image in ("ghcr.io/acme/app:1", "ghcr.io/acme/app", "quay.io/x:1"):
        alert, audit = (verdict(seen(image), policy(ACME, LATEST, mode=mode)) for mode in ("Alert", "Audit"))
        assert (alert.result, failures(alert)) == (audit.result, failures(audit))


@pytest.mark.parametrize(
    ("unresolved", "result"), [("Violation", V), ("Error", E), ("Allow", A_), (None, V)]
)  # fmt: skip
def test_what_an_unknown_image_gets(unresolved: str | None, result: Result) -> None:
    spec = {"unresolved": unresolved} if unresolved else {}
    for rules in ([ACME], [LATEST], []):
        found = verdict(seen(None), policy(*rules, **spec))
        assert found.result is result
        assert [ruling.rule for ruling in found.deciding] == ["(unresolved)"]
        assert found.trust is None
    assert verdict(seen(None), policy(deny("all"), **spec)).deciding[0].rule == "all"


def test_a_digest_alone_is_no_unknown_image() -> None:
    found = verdict(seen(None, reported(CONFIG, None, DigestKind.CONFIG)), policy(ACME))
    assert failures(found) == {("p", "(unmatched)")}


@pytest.mark.parametrize(
    ("limits", "set_", "result"),
    [
        ({"require": ["memory"]}, {"memory": 1}, U),
        ({"require": ["memory"]}, {"memory": False}, V),
        ({"require": ["memory"]}, {"cpu": 1}, E),
        ({"require": ["memory", "cpu"]}, {"memory": False}, V),
        ({"max": {"memory": "1Ki"}}, {"memory": 1024}, U),
        ({"max": {"memory": "1Ki"}}, {"memory": 1025}, V),
        ({"max": {"memory": "1Ki"}}, {"memory": False}, V),
        ({"max": {"memory": "1Ki"}}, {}, E),
        ({"max": {"cpu": 0.5}}, {"cpu": 500}, U),
        ({"max": {"cpu": "500m"}}, {"cpu": 501}, V),
        ({"max": {"cpu": 2}}, {"cpu": 2000}, U),
        ({"max": {"cpu": 2}}, {"memory": 5}, E),
    ],
)
def test_limits_are_judged_on_what_was_set_and_the_unknown_is_an_error(
    limits: dict[str, Any], set_: dict[str, Any], result: Result
) -> None:
    found = verdict(seen(**set_), policy(limits=limits))
    assert found.result is result
    assert failures(found) == ({("p", "(limits)")} if result is not U else set())


def test_limits_fail_beside_a_rule_that_approves() -> None:
    found = verdict(seen(memory=False), policy(ACME, limits={"require": ["memory"]}))
    assert found.result is V
    assert found.failing[0].message == "it has no limit of memory"


@pytest.mark.parametrize(("held", "result"), [("Ignore", A_), ("Report", A_), ("Violation", V), (None, A_)])
def test_a_tag_that_moved(held: str | None, result: Result) -> None:
    history = Before(B)
    spec: dict[str, Any] = {"tags": {"tagMoved": held}} if held else {}
    found = verdict(seen("ghcr.io/acme/app:1", A), policy(ACME, **spec), history=history)
    assert found.result is result
    assert found.moved == (B,)
    assert history.asked == [("ghcr.io/acme/app", "1", frozenset({A}))]
    told = {(each.policy, each.rule) for each in found.failing} | {(each.policy, each.rule) for each in found.notices}
    assert told == (set() if held == "Ignore" else {("p", "(tag-moved)")})


def test_only_a_tag_that_was_followed_can_have_moved() -> None:
    history = Before(B)
    strict = policy(ACME, tags={"tagMoved": "Violation"})
    for image in (seen(f"ghcr.io/acme/app:1@{A}", A), seen(f"ghcr.io/acme/app@{A}", A), seen("ghcr.io/acme/app:1")):
        assert verdict(image, strict, history=history).result is A_
    assert history.asked == []
    assert verdict(seen("ghcr.io/acme/app:1", A), strict, history=Before(A)).result is A_
    assert verdict(seen("ghcr.io/acme/app:1", A), strict).result is A_


def test_names_of_another_repository_are_not_taken_for_where_the_tag_leads() -> None:
    history = Before(B)
    verdict(seen("ghcr.io/acme/app:1", A, reported(C, "quay.io/x")), policy(ACME), history=history)
    assert history.asked == [("ghcr.io/acme/app", "1", frozenset({A}))]


@pytest.mark.parametrize(
    ("image", "rule"),
    [("ghcr.io/acme/app", "no-latest"), ("quay.io/x:1", "(unmatched)"), (None, "(unresolved)")],
)
def test_an_exception_waives_the_rule_that_it_names(image: str | None, rule: str) -> None:
    strict = policy(ACME, LATEST)
    found = verdict(seen(image), strict, exceptions=[exception(rule)])
    assert found.result in {A_, U}
    assert [(ruling.rule, ruling.waived_by) for ruling in found.waived] == [(rule, ("e",))]
    assert "waived" in found.message
    for other in {"no-latest", "(unmatched)", "(unresolved)", "(limits)", "(tag-moved)"} - {rule}:
        assert verdict(seen(image), strict, exceptions=[exception(other)]).result is V


def test_exceptions_waive_limits_and_moved_tags_too() -> None:
    strict = policy(ACME, limits={"require": ["memory"]}, tags={"tagMoved": "Violation"})
    image = seen("ghcr.io/acme/app:1", A)
    assert failures(verdict(image, strict, history=Before(B))) == {("p", "(limits)"), ("p", "(tag-moved)")}
    waived = [exception("(limits)", "(tag-moved)")]
    assert verdict(image, strict, history=Before(B), exceptions=waived).result is A_


def test_with_a_refusal_waived_the_other_rules_are_asked() -> None:
    waived = [exception("no-latest")]
    assert verdict(seen("ghcr.io/acme/app"), policy(ACME, LATEST), exceptions=waived).result is A_
    assert failures(verdict(seen("quay.io/x"), policy(ACME, LATEST), exceptions=waived)) == {("p", "(unmatched)")}
    assert verdict(seen("quay.io/x"), policy(LATEST), exceptions=waived).result is U


@pytest.mark.parametrize(("waived", "left"), [("a", "b"), ("b", "a")])
def test_one_of_two_refusals_waived_leaves_the_other(waived: str, left: str) -> None:
    both = policy(deny("a", tags=["latest"]), deny("b", images=["quay.io/**"]), allow(images=["ghcr.io/**"]))
    found = verdict(seen("quay.io/x"), both, exceptions=[exception(waived)])
    assert failures(found) == {("p", left)}


@pytest.mark.parametrize(
    "spec",
    [
        {"policy": "q"},
        {"match": {"namespaces": {"names": ["other"]}}},
        {"match": {"pods": {"matchLabels": {"app": "other"}}}},
        {"match": {"nodes": {"matchLabels": {"a": "b"}}}},
        {"match": {"containers": ["other"]}},
        {"match": {"outsideKubernetes": True}},
        {"images": ["ghcr.io/acme/apps"]},
        {"expires": "2026-01-01T00:00:00Z"},
    ],
)
def test_an_exception_for_something_else_waives_nothing(spec: dict[str, Any]) -> None:
    assert verdict(seen("ghcr.io/acme/app"), policy(LATEST), exceptions=[exception("no-latest", **spec)]).result is V


def test_an_exception_for_just_this_waives() -> None:
    spec: dict[str, Any] = {
        "match": {"namespaces": {"names": ["sh*"]}, "pods": {"matchLabels": {"app": "cart"}}, "containers": ["cart"]},
        "images": ["quay.io/x", "ghcr.io/acme/*"],
    }
    assert verdict(seen("ghcr.io/acme/app"), policy(LATEST), exceptions=[exception("no-latest", **spec)]).result is U


def test_an_exception_with_a_selector_that_can_not_be_told_waives_nothing() -> None:
    cut = seen("ghcr.io/acme/app", pod_labels_truncated=True)
    by_label = [exception("no-latest", match={"pods": {"matchLabels": {"app": "cart"}}})]
    assert verdict(cut, policy(LATEST), exceptions=by_label).result is V


def test_an_exception_ends_to_the_moment_and_the_violation_is_back() -> None:
    ends = [exception("no-latest", expires="2026-12-01T00:00:00Z")]
    moment = 1_796_083_200 * 10**9
    policies = PolicySet([policy(LATEST)], ends)
    image = seen("ghcr.io/acme/app")
    assert policies.next_expiry(NOW) == moment
    assert policies.next_expiry(moment) is None
    assert judge(image, policies, None, moment - 1).result is U
    assert judge(image, policies, None, moment).result is V


def test_two_policies_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        PolicySet([policy(ACME), policy(LATEST)])


def test_a_message_shows_hostile_names_harmless() -> None:
    for image in ("\x1b[2J\u202e" + "x" * 5000, None):
        found = verdict(seen(image, reported(CONFIG, None)), policy(ACME))
        assert found.message.isprintable()
        assert len(found.message) < 600
