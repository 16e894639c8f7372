"""JSON lines and the flat form: valid whatever the texts hold, and exactly the ten arguments."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rollcall.record import Container, ContainerCreate, Image, Node, Pod, Resolution, Runtime
from rollcall_agent.sink.lines import FlatLines, JsonLines

TEN = {
    "runtime",
    "container_id",
    "ctime",
    "container_image",
    "container_image_digest",
    "container_name",
    "pod_name",
    "pod_namespace",
    "pod_uid",
    "pod_sandbox",
}
BARE = ContainerCreate(
    identity="a" * 26, container_id="c" * 64, node=Node(name="n", boot_id="b"), resolution=Resolution.UNRESOLVED
)


def test_flat_has_the_ten_arguments_with_their_types() -> None:
    record = msgspec.structs.replace(
        BARE,
        runtime=Runtime(name="containerd"),
        ctime="2026-11-24T11:52:08.520123Z",
        image=Image(requested="nginx", digest="sha256:" + "1" * 64),
        container=Container(name="web"),
        pod=Pod(name="p", namespace="n", uid="u", sandbox=False),
    )
    flat = json.loads(FlatLines().line(record))
    assert set(flat) == TEN
    assert flat["ctime"] == 1795521128520123000
    assert flat["pod_sandbox"] is False
    assert all(isinstance(flat[name], str) for name in TEN - {"ctime", "pod_sandbox"})


def test_flat_has_null_for_what_is_unknown() -> None:
    flat = json.loads(FlatLines().line(BARE))
    assert set(flat) == TEN
    assert {name for name, value in flat.items() if value is None} == TEN - {"container_id"}


@given(st.text())
def test_a_line_is_one_valid_json_object(text: str) -> None:
    record = msgspec.structs.replace(BARE, image=Image(requested=text), container=Container(labels={text: text}))
    for form in (JsonLines(), FlatLines()):
        line = form.line(record)
        assert line.count(b"\n") == 1
        json.loads(line)
    assert msgspec.json.decode(JsonLines().line(record), type=ContainerCreate) == record
