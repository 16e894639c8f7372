"""JSON lines and the flat form: valid whatever the texts hold, and exactly the ten arguments."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rollcall.judge import Cause, Result, Ruling, Trust, Verdict
from rollcall.record import Container, ContainerCreate, Image, Node, Pod, Resolution, Runtime
from rollcall.violations import Change, Key, Transition, Violation
from rollcall_agent.sink.lines import AlertLines, FlatLines, JsonLines

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


VIOLATION = Verdict(
    result=Result.VIOLATION,
    failing=(Ruling(policy="p", rule="r", result=Result.VIOLATION, cause=Cause.DENIED, message="a Deny rule matches"),),
    message="it is bad",
)


def test_a_verdict_is_one_more_field_of_the_record() -> None:
    line = json.loads(JsonLines().line(BARE, VIOLATION))
    assert line.pop("verdict") == json.loads(msgspec.json.encode(VIOLATION))
    assert line == json.loads(JsonLines().line(BARE))
    assert json.loads(JsonLines().line(BARE, Verdict(result=Result.ALLOWED, trust=Trust.NAME, message="")))["verdict"]


def test_the_flat_form_has_exactly_the_ten_with_a_verdict_too() -> None:
    assert json.loads(FlatLines().line(BARE, VIOLATION)).keys() == TEN


def test_alerts_are_one_line_for_each_transition_and_none_for_starts() -> None:
    told = Transition(change=Change.OPENED, violation=Violation(key=Key(policy="p", rule="r")), at="2026-11-24")
    form = AlertLines()
    assert form.line(BARE, VIOLATION) == b""
    line = form.alert(told)
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line, type=Transition) == told
    assert JsonLines().alert(told) == FlatLines().alert(told) == b""
