"""Nothing in a runtime's verbose JSON can be relied on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall_agent.enrich.verbose import CRIO_IMAGE, IMAGE_NAME, Verbose, read

ID = "sha256:" + "1" * 64
KEYS = st.sampled_from(
    [
        "sandboxID",
        "config",
        "image",
        "user_specified_image",
        "runtimeSpec",
        "annotations",
        "linux",
        "resources",
        "pid",
        IMAGE_NAME,
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


def of(value: object) -> Verbose:
    return read({"info": json.dumps(value)})


@pytest.mark.parametrize(
    ("config", "annotations", "requested", "source"),
    [
        ({"image": ID, "user_specified_image": "a/b:1"}, {IMAGE_NAME: "c"}, "a/b:1", "userSpecifiedImage"),
        ({"image": "a/b:1"}, {IMAGE_NAME: "docker.io/a/b:1"}, "a/b:1", "image"),
        ({"image": ID}, {IMAGE_NAME: "docker.io/a/b:1"}, "docker.io/a/b:1", IMAGE_NAME),
        ({"image": ID[7:]}, {CRIO_IMAGE: "quay.io/a"}, "quay.io/a", CRIO_IMAGE),
        ({"image": ID}, {CRIO_IMAGE: ID[7:]}, None, None),
        (None, None, None, None),
    ],
)
def test_how_the_image_was_asked_for(
    config: object, annotations: object, requested: str | None, source: str | None
) -> None:
    found = of({"config": {"image": config}, "runtimeSpec": {"annotations": annotations}})
    assert found.requested == requested
    assert source is None or (found.requested_source or "").endswith(source)


def test_what_else_is_read() -> None:
    found = of({"sandboxID": "s", "pid": 7, "image": "pause", "runtimeSpec": {"linux": {"resources": {"cpu": {}}}}})
    assert (found.sandbox_id, found.pid, found.image, found.resources) == ("s", 7, "pause", {"cpu": {}})


@given(ANYTHING)
def test_no_value_raises(value: object) -> None:
    found = of(value)
    assert found.sandbox_id is None or isinstance(found.sandbox_id, str)
    assert found.requested is None or isinstance(found.requested, str)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    read({"info": text})


def test_no_info() -> None:
    assert read({}) == Verbose()
