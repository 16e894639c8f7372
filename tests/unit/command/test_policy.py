"""`rollcall policy check` and `rollcall policy explain`, as a person and a pipeline use them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from lab.policies import A
from rollcall.__main__ import make_app
from rollcall.command import checking
from rollcall.record import Container, ContainerCreate, DigestKind, Image, ImageDigest, Node, Pod, Resolution
from rollcall.references import parse

GOOD = """
apiVersion: rollcall.dev/v1alpha1
kind: ImageAdmissionPolicy
metadata: {name: ours}
spec:
  match: {namespaces: {names: [shop]}}
  rules:
    - {name: ours, effect: Allow, images: [ghcr.io/acme/*]}
"""
EXCEPTION = """
apiVersion: rollcall.dev/v1alpha1
kind: ImageAdmissionException
metadata: {name: old}
spec:
  policy: ours
  rules: ["(unmatched)"]
  reason: it moves
  requestedBy: one
  approvedBy: another
  expires: {expires}
"""
NOW = 1_795_000_000 * 10**9


def run(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(make_app(), ["policy", *map(str, arguments)], input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    (folder / "ours.yaml").write_text(GOOD)
    return folder


def record(image: str, digest: str | None = None) -> ContainerCreate:
    reference = parse(image)
    digests = (
        (ImageDigest(digest=digest, kind=DigestKind.MANIFEST, source="t", repository=reference.name),) if digest else ()
    )
    return ContainerCreate(
        identity="i",
        container_id="c" * 64,
        image=Image(requested=image, reference=reference, digests=digests),
        container=Container(name="app"),
        pod=Pod(name="web", namespace="shop", uid="u", sandbox=False),
        node=Node(name="n", boot_id="b"),
        resolution=Resolution.RESOLVED,
    )


def lines(*records: ContainerCreate) -> str:
    return "".join(msgspec.json.encode(each).decode() + "\n" for each in records)


def test_what_is_right_passes_the_check(good: Path) -> None:
    assert run("check", good) == (0, "1 file, 1 policy, 0 exceptions, 0 mistakes, 0 warnings\n", "")


def test_every_mistake_of_every_file_is_named_with_its_line_field_and_cure(good: Path) -> None:
    wrong = good / "wrong.yaml"
    wrong.write_text(
        GOOD.replace("name: ours}", "name: more}").replace("Allow", "allow").replace("ghcr.io/acme/*", "ghcr.io/acme:1")
    )
    other = good / "other.yml"
    other.write_text(GOOD.replace("{name: ours}", "{name: third}").replace("  rules:", "  ruls:"))
    status, text, _ = run("check", good)
    assert status == 1
    assert text.splitlines() == [
        f"{other}:7: spec.ruls: there is no such field: did you mean `rules`?",
        f"{wrong}:8: spec.rules[0].effect: write Allow or Deny, not 'allow'",
        "3 files, 1 policy, 0 exceptions, 2 mistakes, 0 warnings",
    ]
    status, text, _ = run("check", good, "--output", "json")
    found = json.loads(text)
    assert (status, found["policies"], len(found["problems"])) == (1, ["ours"], 2)
    assert found["problems"][1] == {
        "file": str(wrong),
        "line": 8,
        "field": "spec.rules[0].effect",
        "message": "write Allow or Deny, not 'allow'",
    }


@pytest.mark.parametrize(
    ("expires", "words"),
    [("2026-01-01T00:00:00Z", "expired at 2026-01-01"), ("2031-01-01T00:00:00Z", "over a year ahead")],
)
def test_an_exception_expired_or_far_ahead_is_a_warning(good: Path, expires: str, words: str) -> None:
    (good / "z.yaml").write_text(EXCEPTION.replace("{expires}", expires))
    report = checking.check_files([good], NOW)
    (warning,) = report.warnings
    assert (warning.file, warning.line, warning.field) == (str(good / "z.yaml"), 11, "spec.expires")
    assert words in warning.message
    assert report.problems == ()


def test_an_exception_that_waives_nothing_there_is_a_warning(good: Path) -> None:
    other = EXCEPTION.replace("{expires}", "2027-01-01T00:00:00Z")
    (good / "z.yaml").write_text(other.replace("policy: ours", "policy: theirs") + "---" + other.replace("old", "b"))
    assert [each.field for each in checking.check_files([good], NOW).warnings] == ["spec.policy"]


def test_what_can_not_be_read_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_bytes(b"kind: x\nname: \xff\n")
    status, text, _ = run("check", tmp_path / "none.yaml", tmp_path / "empty", tmp_path / "bad.yaml")
    assert status == 1
    assert text.splitlines()[:3] == [
        f"{tmp_path}/none.yaml:1: it can't be read: No such file or directory",
        f"{tmp_path}/empty:1: there is no file in it that ends in .yaml, .yml, .json",
        f"{tmp_path}/bad.yaml:2: it is not UTF-8",
    ]


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """The kubelet keeps the files in a directory of its own, beside links to them."""
    data = tmp_path / "..2026_11_24"
    data.mkdir()
    (data / "ours.yaml").write_text(GOOD)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "ours.yaml").symlink_to("..data/ours.yaml")
    (tmp_path / ".ours.yaml").write_text("what an editor left")
    (tmp_path / "deeper.yaml").mkdir()
    (tmp_path / "README.md").write_text("what it is for")
    assert run("check", tmp_path)[:2] == (0, "1 file, 1 policy, 0 exceptions, 0 mistakes, 0 warnings\n")


@pytest.mark.parametrize(("image", "status"), [("ghcr.io/acme/app", 0), ("quay.io/acme/app", 3), ("A B", 1)])
def test_explaining_an_image_has_a_status_for_each_outcome(good: Path, image: str, status: int) -> None:
    assert run("explain", "--policy", good, image)[0] == status


def test_explaining_images_in_json_is_one_object_a_line(good: Path) -> None:
    status, text, _ = run("explain", "--policy", good, "--output", "json", "ghcr.io/acme/app", f"nginx@{A}")
    first, second = map(json.loads, text.splitlines())
    assert status == 3
    assert (first["subject"], first["verdict"]["result"], second["verdict"]["result"]) == (
        "ghcr.io/acme/app",
        "Allowed",
        "Violation",
    )
    assert first["whateverMatch"] is True
    assert first["policies"][0]["rules"][0]["fields"][0]["matched"] == ["ghcr.io/acme/*"]


def test_explaining_goes_on_over_a_broken_file_and_fails(good: Path) -> None:
    (good / "z.yaml").write_text("kind: Nonsense\n")
    status, text, error = run("explain", "--policy", good, "ghcr.io/acme/app")
    assert status == 1
    assert "Allowed, by trust in its name" in text
    assert f"rollcall: {good}/z.yaml:1: kind: write ImageAdmissionPolicy or ImageAdmissionException" in error


def test_explaining_records_from_a_file_and_from_standard_input(good: Path, tmp_path: Path) -> None:
    written = lines(record("ghcr.io/acme/app:1"), record("nginx"))
    (tmp_path / "events.json").write_text(written)
    status, text, _ = run("explain", "--policy", good, "--event", tmp_path / "events.json")
    assert status == 3
    assert [line for line in text.splitlines() if line and line[0] != " "] == [
        "shop/web, app, ghcr.io/acme/app:1",
        "shop/web, app, nginx",
    ]
    assert run("explain", "--policy", good, "--event", "-", stdin=written)[1] == text


def test_one_record_over_several_lines_is_one_record(good: Path, tmp_path: Path) -> None:
    pretty = msgspec.json.format(lines(record("ghcr.io/acme/app:1")).encode(), indent=2)
    (tmp_path / "event.json").write_bytes(pretty)
    assert run("explain", "--policy", good, "--event", tmp_path / "event.json")[0] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "there is no record in it"), ("{}\n", "event.json:1: no record: Object missing required field")],
)
def test_what_is_no_record_is_refused(good: Path, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "event.json").write_text(text)
    status, out, error = run("explain", "--policy", good, "--event", tmp_path / "event.json")
    assert (status, out) == (1, "")
    assert words in error


@pytest.mark.parametrize("arguments", [[], ["nginx", "--event", "-"], ["nginx", "--journal", "j"]])
def test_exactly_one_kind_of_question(good: Path, arguments: list[str]) -> None:
    status, _, error = run("explain", "--policy", good, *arguments)
    assert status == 2
    assert "Invalid value" in error
