"""docs/policy-fields.md says of every field what the model says, and its examples are right."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec
import pytest
from msgspec import Struct

import policy_docs
from model_fields import FieldText, fields
from rollcall.patterns import image_pattern
from rollcall.policy import ImageAdmissionException, ImageAdmissionPolicy
from rollcall.policy.model import Match, PolicySpec, Tags
from rollcall.policy.read import read
from rollcall.references import parse

ROWS = [*fields(ImageAdmissionPolicy), *fields(ImageAdmissionException)]
PAGE = policy_docs.PAGE.read_text()


def test_the_page_is_what_the_models_say() -> None:
    assert policy_docs.page() == PAGE, "run python tools/policy_docs.py"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_a_field_says_what_it_does_and_what_holds_without_it(row: FieldText) -> None:
    assert row.description.endswith(".")
    assert row.extra["otherwise"]
    assert f"| `{row.path}` |" in PAGE


@pytest.mark.parametrize("model", [PolicySpec, Match, Tags], ids=lambda model: model.__name__)
def test_a_default_is_what_the_page_says(model: type[Struct]) -> None:
    for field in msgspec.structs.fields(model):
        if isinstance(field.default, StrEnum | bool):
            described = {row.path: row.extra["otherwise"] for row in fields(model)}
            assert described[field.encode_name].lower() == str(field.default).lower()


def test_the_examples_are_right_and_show_what_there_is() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    loaded = read("---\n".join(shown), "examples")
    assert loaded.problems == []
    assert next(loaded.warnings(0)).message.startswith("it ends over a year ahead")
    assert (len(loaded.policies), len(loaded.exceptions)) == (1, 1)


def test_every_pattern_matches_what_the_page_says_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (`[^|]*) \| ([^|]*) \|$", PAGE.partition("## Patterns")[2], re.MULTILINE)
    assert len(rows) == 8
    for text, matched, others in rows:
        pattern = image_pattern(text)
        assert all(pattern.matches(parse(image)) for image in re.findall(r"`([^`]+)`", matched)), text
        assert not any(pattern.matches(parse(image)) for image in re.findall(r"`([^`]+)`", others)), text
