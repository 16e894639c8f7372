"""Kubernetes' label selectors, in full: when one holds, and what is wrong with one.

Source: k8s.io/apimachinery/pkg/labels (Requirement.Matches) and pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from rollcall.policy.model import LabelSelector, Operator
from rollcall.text import printable

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_SUBDOMAIN: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_KEY: Final = re.compile(rf"(?:(?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_NAME}")
_VALUE: Final = re.compile(rf"(?:{_NAME})?")


def holds(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Say whether a selector holds for labels. An empty one does; `NotIn` does where the label is missing."""
    for key, value in selector.match_labels.items():
        if labels.get(key) != value:
            return False
    for expression in selector.match_expressions:
        value_there = labels.get(expression.key)
        match expression.operator:
            case Operator.IN:
                held = value_there is not None and value_there in expression.values
            case Operator.NOT_IN:
                held = value_there is None or value_there not in expression.values
            case Operator.EXISTS:
                held = value_there is not None
            case Operator.DOES_NOT_EXIST:
                held = value_there is None
        if not held:
            return False
    return True


def is_empty(selector: LabelSelector) -> bool:
    """Say whether a selector holds for any labels at all."""
    return not selector.match_labels and not selector.match_expressions


def keys(selector: LabelSelector) -> Iterator[str]:
    """Yield the keys that a selector looks at."""
    yield from selector.match_labels
    for expression in selector.match_expressions:
        yield expression.key


def wrong(selector: LabelSelector) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what Kubernetes would refuse: where, and what is expected there."""
    for key, value in selector.match_labels.items():
        yield from _wrong_key(key, ("matchLabels", key))
        yield from _wrong_value(value, ("matchLabels", key))
    for index, expression in enumerate(selector.match_expressions):
        at: tuple[str | int, ...] = ("matchExpressions", index)
        yield from _wrong_key(expression.key, (*at, "key"))
        needs_values = expression.operator in {Operator.IN, Operator.NOT_IN}
        if needs_values and not expression.values:
            yield (*at, "values"), f"operator {expression.operator} needs a list of at least one value"
        if not needs_values and expression.values:
            yield (*at, "values"), f"operator {expression.operator} takes no values: leave them out"
        for number, value in enumerate(expression.values):
            yield from _wrong_value(value, (*at, "values", number))


def _wrong_key(key: str, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not _KEY.fullmatch(key):
        expected = "write a name of up to 63 of A-Z a-z 0-9 _ . -, with a domain and / before it or not"
        yield at, f"'{printable(key, 80)}' is no key of a label: {expected}"


def _wrong_value(value: str, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not _VALUE.fullmatch(value):
        expected = "write up to 63 of A-Z a-z 0-9 _ . -, a letter or digit at both ends"
        yield at, f"'{printable(value, 80)}' is no value of a label: {expected}"
