"""Label selectors are Kubernetes' own: each operator, with the label there, other, and missing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rollcall.policy.model import LabelSelector
from rollcall.policy.selectors import holds, is_empty, keys, wrong


def selector(**fields: Any) -> LabelSelector:
    return msgspec.convert(fields, LabelSelector)


def expression(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": values} if values else {})}


THERE, OTHER, EMPTY, MISSING = {"app": "cart"}, {"app": "shop"}, {"app": ""}, {"tier": "web"}


@pytest.mark.parametrize(
    ("one", "there", "other", "empty", "missing"),
    [
        (expression("In", "cart", "till"), True, False, False, False),
        (expression("NotIn", "cart", "till"), False, True, True, True),
        (expression("Exists"), True, True, True, False),
        (expression("DoesNotExist"), False, False, False, True),
        (expression("In", ""), False, False, True, False),
    ],
)
def test_an_operator(one: dict[str, Any], there: bool, other: bool, empty: bool, missing: bool) -> None:  # noqa: FBT001
    made = selector(matchExpressions=[one])
    assert [holds(made, labels) for labels in (THERE, OTHER, EMPTY, MISSING)] == [there, other, empty, missing]


def test_match_labels_must_all_be_there() -> None:
    made = selector(matchLabels={"app": "cart", "tier": "web"})
    assert holds(made, {"app": "cart", "tier": "web", "more": "x"})
    assert not holds(made, THERE)
    assert not holds(made, {"app": "cart", "tier": "db"})


def test_labels_and_expressions_must_both_hold() -> None:
    made = selector(matchLabels={"app": "cart"}, matchExpressions=[expression("DoesNotExist", key="tier")])
    assert holds(made, THERE)
    assert not holds(made, {"app": "cart", "tier": "web"})
    assert not holds(made, {})
    assert set(keys(made)) == {"app", "tier"}


def test_an_empty_selector_holds_for_anything() -> None:
    assert is_empty(selector())
    assert holds(selector(), {})
    assert holds(selector(), THERE)
    assert not is_empty(selector(matchExpressions=[expression("Exists")]))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"matchLabels": {"a b": "x"}}, ("matchLabels", "a b")),
        ({"matchLabels": {"": "x"}}, ("matchLabels", "")),
        ({"matchLabels": {"Example.com/app": "x"}}, ("matchLabels", "Example.com/app")),
        ({"matchLabels": {"a/b/c": "x"}}, ("matchLabels", "a/b/c")),
        ({"matchLabels": {"app": "-x"}}, ("matchLabels", "app")),
        ({"matchLabels": {"app": "x" * 64}}, ("matchLabels", "app")),
        ({"matchLabels": {"app": "x\n"}}, ("matchLabels", "app")),
        ({"matchExpressions": [expression("In")]}, ("matchExpressions", 0, "values")),
        ({"matchExpressions": [expression("NotIn")]}, ("matchExpressions", 0, "values")),
        ({"matchExpressions": [expression("Exists", "x")]}, ("matchExpressions", 0, "values")),
        ({"matchExpressions": [expression("DoesNotExist", "x")]}, ("matchExpressions", 0, "values")),
        ({"matchExpressions": [expression("In", "x", "a b")]}, ("matchExpressions", 0, "values", 1)),
        ({"matchExpressions": [expression("Exists", key="/x")]}, ("matchExpressions", 0, "key")),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(fields: dict[str, Any], where: tuple[str | int, ...]) -> None:
    ((path, message),) = wrong(selector(**fields))
    assert path == where
    assert message.isprintable()


@pytest.mark.parametrize(
    "fields",
    [
        {"matchLabels": {"app": "", "app.kubernetes.io/name": "Cart_1.x-y", "x" * 63: "y" * 63}},
        {"matchExpressions": [expression("In", "a", ""), expression("Exists", key="a.b/C_d")]},
    ],
)
def test_what_kubernetes_takes_is_taken(fields: dict[str, Any]) -> None:
    assert list(wrong(selector(**fields))) == []
