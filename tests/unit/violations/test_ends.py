"""A violation opens, repeats and is over, each kind of end on its evidence; judged by the real judge."""

from __future__ import annotations

from typing import Any

import pytest

from lab.policies import NOW, allow, deny, exception, policy, seen
from lab.violating import Keeper, failing, ruling
from rollcall.judge import PolicySet, judge
from rollcall.observation import Observation
from rollcall.policy import ImageAdmissionException, ImageAdmissionPolicy
from rollcall.policy.model import Severity
from rollcall.record import Resolution
from rollcall.times import nanoseconds
from rollcall.violations import (
    Change,
    End,
    Ended,
    Judged,
    Late,
    LiveSet,
    NamespaceGone,
    NodeGone,
    NodeSilent,
    PolicySetChanged,
    Start,
    State,
    judged,
)

OPENED, REPEATED, UNKNOWN, KNOWN, OVER = Change
ACME = policy(allow("acme", images=["ghcr.io/acme/**"]))
OTHER = seen("quay.io/other/app:1", identity="start-1", workload="Deployment/web", ctime="2026-11-24T10:00:00Z")


class Judging(Keeper):
    """A keeper with policies."""

    def judged(
        self,
        observation: Observation,
        *policies: ImageAdmissionPolicy,
        exceptions: tuple[ImageAdmissionException, ...] = (),
        now: int = NOW,
    ) -> Judged:
        return judged(observation, judge(observation, PolicySet(policies, exceptions), None, now))

    def changed(self, *policies: ImageAdmissionPolicy, **others: Any) -> PolicySetChanged:
        """Judge again what lives, which is the one start."""
        names = frozenset(each.name for each in policies)
        return PolicySetChanged(judged=(self.judged(OTHER, *policies, **others),), policies=names)


@pytest.fixture(name="keeper")
def _keeper() -> Judging:
    keeper = Judging()
    assert keeper.said(Start(judged=keeper.judged(OTHER, ACME))) == [(OPENED, "p", None)]
    return keeper


def test_what_is_told_says_what_failed_and_why(keeper: Judging) -> None:
    (violation,) = keeper.book.violations.values()
    assert (violation.key.policy, violation.key.rule) == ("p", "(unmatched)")
    assert (violation.key.namespace, violation.key.workload, violation.key.container) == (
        "shop",
        "Deployment/web",
        "cart",
    )
    assert violation.key.repository == "quay.io/other/app"
    assert violation.image == "quay.io/other/app:1"
    assert violation.cause == "ImageNotApproved"
    assert violation.severity == "medium"
    assert violation.message
    assert (violation.starts, violation.containers, violation.opened, violation.changes) == (1, 1, 1, 1)


def test_an_approved_image_opens_nothing() -> None:
    keeper = Judging()
    assert keeper.tell(Start(judged=keeper.judged(seen("ghcr.io/acme/app:1"), ACME))) == []
    assert not keeper.book.violations
    assert not keeper.book.members


def test_over_when_the_policy_approves(keeper: Judging) -> None:
    wider = policy(allow("acme", images=["ghcr.io/acme/**"]), allow("other", images=["quay.io/other/*"]))
    (told,) = keeper.tell(keeper.changed(wider))
    assert (told.change, told.violation.end) == (OVER, End.APPROVED)
    assert "p/other" in told.violation.why


def test_over_when_the_policy_is_gone(keeper: Judging) -> None:
    assert keeper.said(keeper.changed()) == [(OVER, "p", End.POLICY_GONE)]


def test_over_when_another_rule_of_the_policy_fails_it_now_and_that_one_opens(keeper: Judging) -> None:
    denying = policy(allow("acme", images=["ghcr.io/acme/**"]), deny("bad", images=["quay.io/**"]))
    told = keeper.tell(keeper.changed(denying))
    assert [(each.change, each.violation.key.rule) for each in told] == [(OVER, "(unmatched)"), (OPENED, "bad")]


def test_over_by_an_exception_until_it_expires(keeper: Judging) -> None:
    waived = exception("(unmatched)", name="till-january", expires="2027-01-31T00:00:00Z")
    expiry = nanoseconds("2027-01-31T00:00:00Z")
    (told,) = keeper.tell(keeper.changed(ACME, exceptions=(waived,)))
    assert (told.change, told.violation.end) == (OVER, End.EXCEPTED)
    assert "till-january" in told.violation.why
    assert keeper.tell(keeper.changed(ACME, exceptions=(waived,), now=expiry - 1)) == []
    (told,) = keeper.tell(keeper.changed(ACME, exceptions=(waived,), now=expiry))
    assert (told.change, told.violation.opened, told.violation.changes) == (OPENED, 2, 3)
    assert (told.violation.end, told.violation.why) == (None, "")


def test_what_cannot_be_told_any_more_goes_on(keeper: Judging) -> None:
    """A selector on labels that nobody knows is an error, and no approval."""
    unknown = policy(allow("acme", images=["ghcr.io/acme/**"]), match={"nodes": {"matchLabels": {"zone": "a"}}})
    assert keeper.tell(keeper.changed(unknown)) == []
    assert keeper.state() is State.OPEN
    assert keeper.said(Ended(node="node-1", start="start-1")) == [(OVER, "p", End.ENDED)]


def test_an_error_is_no_violation() -> None:
    keeper = Judging()
    strict = policy(limits={"require": ["memory"]})
    assert keeper.tell(Start(judged=keeper.judged(seen(), strict))) == []


def test_judged_again_it_is_described_as_the_policy_says_now(keeper: Judging) -> None:
    worse = policy(allow("acme", images=["ghcr.io/acme/**"]), severity="critical", mode="Audit")
    assert keeper.tell(keeper.changed(worse)) == []
    (violation,) = keeper.book.violations.values()
    assert (violation.severity, violation.mode, violation.starts) == ("critical", "Audit", 1)


def test_when_it_reopens_it_is_described_as_the_policy_says_then() -> None:
    """By whichever start: that a later one was described otherwise, before, says nothing."""
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p", at="2026-11-24T10:00:00Z")))
    keeper.tell(Start(judged=failing("b", "p", at="2026-11-24T10:00:01Z"), ended=True))
    keeper.tell(PolicySetChanged(judged=(failing("a"),), policies=frozenset("p")))
    worse = failing("a", ruling("p", severity=Severity.CRITICAL), at="2026-11-24T10:00:00Z")
    (told,) = keeper.tell(PolicySetChanged(judged=(worse,), policies=frozenset("p")))
    assert (told.change, told.violation.severity, told.violation.start) == (OPENED, "critical", "b")


def test_of_one_start_the_worst_is_told_first() -> None:
    keeper = Judging()
    policies = [
        policy(allow("acme", images=["ghcr.io/acme/**"]), name=name, severity=severity)
        for name, severity in [("a", "low"), ("b", "critical"), ("c", "high"), ("d", "critical")]
    ]
    told = keeper.tell(Start(judged=keeper.judged(OTHER, *policies)))
    assert [each.violation.key.policy for each in told] == ["b", "d", "c", "a"]


def test_a_late_answer_is_over_with_what_was_unresolved(keeper: Judging) -> None:
    nobody = seen(None, identity="start-2", resolution=Resolution.UNRESOLVED)
    (told,) = keeper.tell(Start(judged=keeper.judged(nobody, ACME)))
    assert told.violation.key.rule == "(unresolved)"
    known = seen("quay.io/other/app:1", identity="late", supersedes="start-2", workload="Deployment/web")
    several = keeper.tell(Late(judged=keeper.judged(known, ACME)))
    assert [(each.change, each.violation.key.rule, each.violation.end) for each in several] == [
        (OVER, "(unresolved)", End.RESOLVED),
        (REPEATED, "(unmatched)", None),
    ]
    assert keeper.tell(Late(judged=keeper.judged(known, ACME))) == []
    assert keeper.said(Ended(node="node-1", start="start-1")) == []
    assert keeper.said(Ended(node="node-1", start="start-2")) == [(OVER, "p", End.ENDED)]


def test_a_namespace_that_no_runtime_stands_for_is_not_believed() -> None:
    keeper = Judging()
    strict = policy(allow("acme", images=["ghcr.io/acme/**"]), match={"outsideKubernetes": True})
    claimed = seen("quay.io/other/app:1", outside=True, pod_confirmed=False, namespace="shop")
    (told,) = keeper.tell(Start(judged=keeper.judged(claimed, strict)))
    assert told.violation.key.namespace == ""
    assert keeper.tell(NamespaceGone(namespace="shop")) == []


def test_replicas_repeat_and_the_last_end_is_the_end() -> None:
    keeper = Keeper()
    assert keeper.said(Start(judged=failing("a", "p"))) == [(OPENED, "p", None)]
    assert keeper.said(Start(judged=failing("b", "p", node="node-2"))) == [(REPEATED, "p", None)]
    assert keeper.said(Start(judged=failing("b", "p", node="node-2"))) == []
    assert keeper.said(Ended(node="node-1", start="a")) == []
    assert keeper.said(Ended(node="node-1", start="a")) == []
    assert keeper.said(Ended(node="node-2", start="b")) == [(OVER, "p", End.ENDED)]


def test_a_restart_reopens_the_same_violation() -> None:
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p")))
    keeper.tell(Ended(node="node-1", start="a"))
    (told,) = keeper.tell(Start(judged=failing("b", "p")))
    assert (told.change, told.violation.opened, told.violation.starts) == (OPENED, 2, 2)
    assert len(keeper.book.violations) == 1


def test_what_has_ended_before_it_was_judged_is_told_all_the_same() -> None:
    keeper = Keeper()
    assert keeper.said(Start(judged=failing("a", "p"), ended=True)) == [
        (OPENED, "p", None),
        (OVER, "p", End.ENDED),
    ]
    assert not keeper.book.members
    keeper.tell(Start(judged=failing("b", "p")))
    assert keeper.said(Late(judged=failing("c", "p"), ended=True)) == [(REPEATED, "p", None)]
    assert keeper.state() is State.OPEN


def test_missing_from_two_live_sets_in_a_row_is_an_end() -> None:
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p")))

    def reported(report: int, *starts: str, epoch: str = "e", node: str = "node-1") -> list[Any]:
        return keeper.said(LiveSet(node=node, epoch=epoch, report=report, starts=frozenset(starts)))

    assert reported(1) == []
    assert reported(1) == [], "the same report twice is one"
    assert reported(2, "a") == []
    assert reported(3) == []
    assert reported(2) == [], "an old report is none"
    assert reported(1, epoch="f") == [], "a new journal begins anew"
    assert reported(9, node="node-2") == [], "another node's says nothing"
    assert reported(2, epoch="f") == [(OVER, "p", End.ENDED)]


def test_judging_again_is_no_sign_of_life() -> None:
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p", "q")))
    keeper.tell(LiveSet(node="node-1", epoch="e", report=1, starts=frozenset()))
    keeper.tell(PolicySetChanged(judged=(failing("a", "p"),), policies=frozenset("pq")))
    last = LiveSet(node="node-1", epoch="e", report=2, starts=frozenset())
    assert keeper.said(last) == [(OVER, "p", End.ENDED)]


def test_a_silent_node_makes_it_unknown_and_never_over() -> None:
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p")))
    keeper.tell(Start(judged=failing("b", "p", node="node-2")))
    assert keeper.said(NodeSilent(node="node-1")) == [], "node-2 still says that it runs"
    assert keeper.said(NodeSilent(node="node-2")) == [(UNKNOWN, "p", None)]
    assert keeper.said(NodeSilent(node="node-2")) == []
    assert keeper.said(LiveSet(node="node-2", epoch="e", report=1, starts=frozenset({"b"}))) == [(KNOWN, "p", None)]
    assert keeper.said(Ended(node="node-2", start="b")) == [(UNKNOWN, "p", None)], "what is left is on node-1"


def test_a_start_of_a_silent_node_is_told_and_unknown() -> None:
    keeper = Keeper()
    keeper.tell(NodeSilent(node="node-1"))
    assert keeper.said(Start(judged=failing("a", "p"))) == [(OPENED, "p", None), (UNKNOWN, "p", None)]
    assert keeper.said(Start(judged=failing("b", "p"))) == [(REPEATED, "p", None)]
    assert keeper.said(Start(judged=failing("c", "p", node="node-2"))) == [
        (REPEATED, "p", None),
        (KNOWN, "p", None),
    ]


def test_a_node_that_is_gone_ends_what_it_ran() -> None:
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p")))
    keeper.tell(Start(judged=failing("b", "p", "q", node="node-2")))
    keeper.tell(NodeSilent(node="node-2"))
    assert keeper.said(NodeGone(node="node-2")) == [(OVER, "q", End.ENDED)]
    assert keeper.state("p") is State.OPEN
    assert not keeper.book.nodes


def test_a_namespace_that_is_deleted_ends_what_was_in_it() -> None:
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p")))
    keeper.tell(Start(judged=failing("b", "q", namespace="shop-2")))
    assert keeper.said(NamespaceGone(namespace="shop")) == [(OVER, "p", End.NAMESPACE_DELETED)]
    assert keeper.state("q") is State.OPEN


def test_what_ended_keeps_its_verdict() -> None:
    """Judging again what lives says nothing about what is over."""
    keeper = Keeper()
    keeper.tell(Start(judged=failing("a", "p")))
    keeper.tell(Ended(node="node-1", start="a"))
    before = dict(keeper.book.violations)
    assert keeper.tell(PolicySetChanged(judged=(), policies=frozenset())) == []
    assert keeper.book.violations == before
