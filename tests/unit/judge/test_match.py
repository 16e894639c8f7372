"""Which containers a policy is for, and what is said where that can't be told."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from lab.policies import EVERYWHERE, NOW, deny, policy, seen
from rollcall.judge import Cause, PolicySet, Result, judge
from rollcall.observation import Observation

BY_APP = {"matchLabels": {"app": "cart"}}
POD = seen()
OUTSIDE = seen(outside=True, container="web")
SANDBOX = seen("registry.k8s.io/pause:3.9", sandbox=True, container=None)
CLAIMED = seen(pod_confirmed=False, pod_labels=None, namespace="claimed")
NOWHERE = seen(outside=None, pod_confirmed=False, namespace=None, pod_labels=None)
MEANT, NOT_MEANT, UNKNOWN = Result.VIOLATION, Result.SKIPPED, Result.ERROR


def result(match: dict[str, Any], observation: Observation) -> Result:
    """Judge by a policy that refuses all that it is for."""
    found = judge(observation, PolicySet([policy(deny("all"), match=match)]), None, NOW)
    assert (found.result is UNKNOWN) == any(ruling.cause is Cause.MATCH_UNKNOWN for ruling in found.failing)
    return found.result


@pytest.mark.parametrize(
    ("match", "pod", "outside"),
    [
        ({}, MEANT, NOT_MEANT),
        ({"outsideKubernetes": True}, NOT_MEANT, MEANT),
        ({"outsideKubernetes": True, "namespaces": {"names": ["shop"]}}, MEANT, MEANT),
        ({"outsideKubernetes": True, "namespaces": {"names": ["other"]}}, NOT_MEANT, MEANT),
        ({"outsideKubernetes": True, "pods": BY_APP}, MEANT, MEANT),
        (EVERYWHERE, MEANT, MEANT),
        ({"namespaces": {"names": ["shop"]}}, MEANT, NOT_MEANT),
        ({"namespaces": {"names": ["sh*"]}}, MEANT, NOT_MEANT),
        ({"namespaces": {"names": ["sho"]}}, NOT_MEANT, NOT_MEANT),
        ({"namespaces": {"names": ["other", "*op"]}}, MEANT, NOT_MEANT),
        ({"namespaces": {"names": ["other", "shop"]}}, MEANT, NOT_MEANT),
        ({"namespaces": {}}, MEANT, NOT_MEANT),
        ({"pods": BY_APP}, MEANT, NOT_MEANT),
        ({"pods": {}}, MEANT, NOT_MEANT),
        ({"pods": {"matchLabels": {"app": "other"}}}, NOT_MEANT, NOT_MEANT),
        ({"containers": ["cart"]}, MEANT, NOT_MEANT),
        ({"containers": ["c*", "w*"], **EVERYWHERE}, MEANT, MEANT),
        ({"containers": ["cart"], **EVERYWHERE}, MEANT, NOT_MEANT),
        ({"containers": ["car"]}, NOT_MEANT, NOT_MEANT),
        ({"namespaces": {"names": ["shop"]}, "pods": {"matchLabels": {"app": "x"}}}, NOT_MEANT, NOT_MEANT),
    ],
)
def test_what_a_match_means(match: dict[str, Any], pod: Result, outside: Result) -> None:
    assert result(match, POD) is pod
    assert result(match, OUTSIDE) is outside


def test_sandboxes_are_meant_only_where_it_says_so() -> None:
    assert result({}, SANDBOX) is NOT_MEANT
    assert result(EVERYWHERE, SANDBOX) is NOT_MEANT
    assert result({"sandboxes": True}, SANDBOX) is MEANT
    assert result({"sandboxes": True}, POD) is MEANT
    assert result({"sandboxes": True, "containers": ["*"]}, SANDBOX) is MEANT
    assert result({"sandboxes": True, "containers": ["cart"]}, SANDBOX) is NOT_MEANT
    assert result({}, seen(sandbox=None)) is MEANT


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"pods": BY_APP}, UNKNOWN),
        ({"pods": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}}, UNKNOWN),
        ({"pods": BY_APP, "namespaces": {"names": ["other"]}}, NOT_MEANT),
        ({"pods": BY_APP, "containers": ["other"]}, NOT_MEANT),
        ({"pods": {}}, MEANT),
        ({}, MEANT),
    ],
)
@pytest.mark.parametrize("labels", [{"pod_labels_truncated": True}, {"pod_labels": None}], ids=["cut", "missing"])
def test_a_selector_on_labels_that_are_cut_or_missing_is_an_error(
    match: dict[str, Any], expected: Result, labels: dict[str, Any]
) -> None:
    assert result(match, seen(**labels)) is expected


@pytest.mark.parametrize("part", ["namespaces", "nodes"])
def test_labels_of_namespaces_and_nodes_may_be_unknown_too(part: str) -> None:
    match = {part: {"matchLabels": {"team": "a"}}}
    field = {"namespaces": "namespace_labels", "nodes": "node_labels"}[part]
    assert result(match, seen()) is UNKNOWN
    assert result(match, replace(seen(), **{field: {"team": "a"}})) is MEANT
    assert result(match, replace(seen(), **{field: {"team": "b"}})) is NOT_MEANT
    assert result({part: {}}, seen()) is MEANT


def test_nodes_narrow_what_is_outside_as_well() -> None:
    match = {"nodes": {"matchLabels": {"zone": "a"}}, "outsideKubernetes": True}
    assert result(match, seen(outside=True, node_labels={"zone": "a"})) is MEANT
    assert result(match, seen(outside=True, node_labels={"zone": "b"})) is NOT_MEANT
    assert result(match, seen(outside=True)) is UNKNOWN


@pytest.mark.parametrize(
    ("match", "claimed", "nowhere"),
    [
        ({}, MEANT, UNKNOWN),
        (EVERYWHERE, MEANT, MEANT),
        ({"outsideKubernetes": True}, NOT_MEANT, UNKNOWN),
        ({"namespaces": {"names": ["claimed"]}}, UNKNOWN, UNKNOWN),
        ({"namespaces": {"names": ["other"]}}, UNKNOWN, UNKNOWN),
        ({"namespaces": {"names": ["o*"]}}, UNKNOWN, UNKNOWN),
        ({"pods": BY_APP}, UNKNOWN, UNKNOWN),
        ({"namespaces": {"names": ["x"]}, "outsideKubernetes": True}, UNKNOWN, UNKNOWN),
    ],
)
def test_what_nobody_confirms_selects_nothing_and_escapes_nothing(
    match: dict[str, Any], claimed: Result, nowhere: Result
) -> None:
    assert result(match, CLAIMED) is claimed
    assert result(match, NOWHERE) is nowhere


def test_an_unknown_name_of_a_container_is_an_error_where_it_is_asked_for() -> None:
    assert result({"containers": ["a"]}, seen(container=None)) is UNKNOWN
    assert result({"containers": ["*"]}, seen(container=None)) is MEANT
    assert result({"namespaces": {"names": ["shop"]}}, seen(namespace=None)) is UNKNOWN


def test_the_message_says_what_is_unknown() -> None:
    by_node = policy(deny("all"), match={"nodes": {"matchLabels": {"a": "b"}}})
    found = judge(seen(), PolicySet([by_node]), None, NOW)
    assert "labels of its node" in found.failing[0].message
    assert "labels of its pod" not in found.failing[0].message


def test_what_is_remembered_of_one_container_is_not_taken_for_another() -> None:
    """One set, asked about many kinds of containers, answers as sets that are asked once do."""
    every = [POD, seen(pod_confirmed=False), seen(sandbox=True), OUTSIDE, SANDBOX, CLAIMED, NOWHERE,
             seen(pod_labels_truncated=True), seen(pod_labels={"app": "x"}),
             seen(namespace="other"), seen(container="other"), seen(node_labels={"zone": "a"}), seen(pod_labels=None),
             seen(namespace_labels={"team": "a"}), seen(namespace_labels={}),
             seen(node_labels={"zone": "b"})]  # fmt: skip
    matches: list[dict[str, Any]] = [
        {}, EVERYWHERE, {"pods": BY_APP}, {"containers": ["cart"]}, {"namespaces": {"names": ["shop"]}},
        {"namespaces": {"matchLabels": {"team": "a"}}}, {"nodes": {"matchLabels": {"zone": "a"}}}, {"sandboxes": True},
    ]  # fmt: skip
    policies = [policy(deny("all"), name=f"p{number}", match=match) for number, match in enumerate(matches)]
    together = PolicySet(policies)
    for observation in every * 2:
        alone = {
            each.name for each in policies if judge(observation, PolicySet([each]), None, NOW).result is MEANT
        }  # fmt: skip
        found = judge(observation, together, None, NOW)
        assert {ruling.policy for ruling in found.failing if ruling.result is MEANT} == alone
