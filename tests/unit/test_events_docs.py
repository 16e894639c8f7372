"""docs/events.md says of every field and every reason what the code says."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from msgspec import inspect

from rollcall.reasons import IMAGE_REASONS, REASONS, RESOLUTIONS
from rollcall.record import ContainerCreate, Node, Resolution

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("events_docs", ROOT / "tools" / "events_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fields(kind: inspect.Type, above: str = "") -> Iterator[tuple[str, inspect.Field]]:
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from fields(each, above)
    elif isinstance(kind, inspect.Metadata):
        yield from fields(kind.type, above)
    elif isinstance(kind, inspect.VarTupleType):
        yield from fields(kind.item_type, f"{above}[]")
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            path = f"{above}.{field.encode_name}".removeprefix(".")
            yield path, field
            yield from fields(field.type, path)


FIELDS = dict(fields(inspect.type_info(ContainerCreate)))


def test_the_page_is_what_the_models_say(docs: ModuleType) -> None:
    assert docs.PAGE.read_text() == docs.page(), "run python tools/events_docs.py"


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_says_what_it_is_whose_word_and_when_it_is_absent(path: str, docs: ModuleType) -> None:
    field = FIELDS[path]
    assert isinstance(field.type, inspect.Metadata)
    assert (field.type.extra_json_schema or {})["description"]
    extra = field.type.extra or {}
    assert extra["source"]
    always_written = field.required or field.default_factory not in {msgspec.NODEFAULT, dict}
    assert (extra["absent"] == "never") is always_written
    assert f"| `{path}` |" in docs.PAGE.read_text()


def test_what_is_never_absent_is_written_even_in_the_barest_record() -> None:
    bare = ContainerCreate(
        identity="i", container_id="c", node=Node(name="n", boot_id="b"), resolution=Resolution.UNRESOLVED
    )
    assert msgspec.json.decode(msgspec.json.encode(bare)) == {
        "identity": "i",
        "containerID": "c",
        "node": {"name": "n", "bootID": "b"},
        "cgroup": {"id": 0, "version": 2, "hierarchy": 0},
        "origin": "kernel",
        "resolution": "Unresolved",
    }


def test_the_example_is_a_record_and_shows_all_that_a_resolved_one_has(docs: ModuleType) -> None:
    shown = re.findall(r"```json\n(.*?)```", docs.PAGE.read_text(), re.DOTALL)[0]
    assert msgspec.json.decode(shown, type=ContainerCreate) == docs.EXAMPLE
    missing = {path for path in FIELDS if f'"{path.rpartition(".")[2]}":' not in shown}
    assert missing == {
        "supersedes",
        "container.labelsTruncated",
        "pod.labelsTruncated",
        "cgroup.pathTruncated",
        "image.reason",
        "reason",
        "message",
        "nestedBelow",
    }


def test_every_resolution_has_a_meaning() -> None:
    assert set(RESOLUTIONS) == set(Resolution)


def given_as_reasons() -> Iterator[tuple[str, str]]:
    """Yield (file, word) for each text of one CamelCase word in what resolves starts: a reason, or a call."""
    package = ROOT / "agent" / "src" / "rollcall_agent"
    word = re.compile(r"[A-Z][a-z]+[A-Z][A-Za-z]+")
    protocols = "".join(file.read_text() for file in (package / "enrich" / "proto").glob("*.proto"))
    calls = set(re.findall(r"message (\w+)Request", protocols))
    for file in sorted([*(package / "enrich").glob("*.py"), *(package / "roll").glob("*.py")]):
        texts = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
        for text in texts:
            if isinstance(text, str) and word.fullmatch(text) and text not in calls:
                yield file.name, text


def test_every_reason_that_is_given_is_listed() -> None:
    given = list(given_as_reasons())
    assert given
    unlisted = [(file, word) for file, word in given if word not in {**REASONS, **IMAGE_REASONS}]
    assert not unlisted, "give them a meaning in rollcall/reasons.py and run tools/events_docs.py"
