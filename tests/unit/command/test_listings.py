"""`rollcall events`, `images`, `violations` and `show`: what they list, leave out, and make harmless."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.policies import A, B
from rollcall.__main__ import make_app
from rollcall.identity import identity
from rollcall.record import (
    Cgroup,
    Container,
    ContainerCreate,
    DigestKind,
    Image,
    ImageDigest,
    Limit,
    Node,
    Origin,
    Pod,
    Resolution,
    Resources,
)
from rollcall.references import parse
from rollcall.times import rfc3339
from rollcall_agent.command.listing import nanoseconds_of, spreadsheet_safe
from rollcall_agent.derive.candidate import ContainerCandidate
from rollcall_agent.history.files import Folder
from rollcall_agent.history.judging import Judging
from rollcall_agent.history.keeper import Keeper
from rollcall_agent.journal import Start, open_journal

NOW = 1_795_000_000 * 10**9
HOUR = 3600 * 10**9
BOOT = "5b3f3a3e-6c1b-4a53-9d0a-2f6f3f6f7a10"
POLICY = """
apiVersion: rollcall.dev/v1alpha1
kind: ImageAdmissionPolicy
metadata: {name: ours}
spec:
  severity: high
  match: {namespaces: {names: ["*"]}, outsideKubernetes: true}
  rules:
    - {name: acme, effect: Allow, images: ["ghcr.io/acme/**"], reason: "they are ours"}
  tags: {tagMoved: Violation}
"""
HOSTILE = "\x1b[2J=cmd|' /C calc'!A0\n\u202e"

Made = tuple[str, str, str, int]


def record(number: int, image: str, digest: str, **fields: Any) -> ContainerCreate:
    reference = parse(image)
    found = ImageDigest(digest=digest, kind=DigestKind.MANIFEST, source="cri.imageStatus", repository=reference.name)
    container_id = f"{number:064x}"
    defaults: dict[str, Any] = {
        "identity": identity(BOOT, container_id, 1000 + number),
        "container_id": container_id,
        "ctime": rfc3339(NOW + number * HOUR),
        "image": Image(
            requested=image, reference=reference, digests=(found,), digest=digest, short_digest=digest[7:19]
        ),
        "container": Container(name="app"),
        "pod": Pod(name="web-1", namespace="shop", uid="u", sandbox=False),
        "cgroup": Cgroup(id=1000 + number, path="/kubepods/x"),
        "node": Node(name="n1", boot_id=BOOT),
        "resources": Resources(memory=Limit(limit=64 << 20), cpu=Limit(unlimited=True)),
        "resolution": Resolution.RESOLVED,
    }
    return ContainerCreate(**(defaults | fields))


RECORDS = [
    record(0, "ghcr.io/acme/app:1", A),
    record(1, "ghcr.io/acme/app:1", B),
    record(
        2, "nginx", A, pod=Pod(sandbox=False), container=Container(name="proxy"), node=Node(name="n2", boot_id=BOOT)
    ),
    record(3, "ghcr.io/other/x:1", A, pod=Pod(name="db-0", namespace="prod-eu", uid="v", sandbox=False)),
    record(
        4, "nginx", A, pod=Pod(name=HOSTILE, namespace="shop", uid="w", sandbox=False), container=Container(name="=1+1")
    ),
]


def write_history(path: Path, policies: Path | None) -> None:
    with open_journal(path, boot_id=BOOT, now=lambda: NOW) as journal:
        keeper = Keeper(journal, now=lambda: NOW)
        if policies is not None:
            keeper.judge_with(Judging(journal, keeper.counting, Folder(policies)))
        keeper.begin()
        with journal.transaction():
            journal.open_attach("core", 1, 0, NOW)
        for number, placed in enumerate(RECORDS):
            start = Start(
                identity=placed.identity,
                candidate=ContainerCandidate(container_id=placed.container_id, runtime="containerd"),
                boot_id=BOOT,
                cgroup_id=placed.cgroup.id,
                hierarchy=0,
                origin=Origin.KERNEL,
                read_ns=NOW + number * HOUR,
                attach=1,
            )
            with journal.transaction():
                journal.add(start)
                keeper.take(start, placed)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    (folder / "policies").mkdir()
    (folder / "policies" / "ours.yaml").write_text(POLICY)
    write_history(folder / "journal.db", folder / "policies")
    return folder / "journal.db"


@pytest.fixture(scope="module")
def unjudged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unjudged") / "journal.db"
    write_history(path, None)
    return path


@pytest.fixture
def run(judged: Path) -> Callable[..., str]:
    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(make_app(), [*arguments, "--journal", str(judged)])
        assert result.exit_code == status, result.output
        return result.output

    return run


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_events_are_listed_newest_first_with_their_verdicts(run: Callable[..., str]) -> None:
    header, *lines = run("events").splitlines()
    assert header.split() == ["TIME", "VERDICT", "WHOSE", "CONTAINER", "IMAGE", "DIGEST", "ID", "BY"]
    assert [line.split()[1] for line in lines] == ["Violation", "Violation", "Violation", "Violation", "Allowed"]
    assert lines[-1].split() == [
        rfc3339(NOW)[:19],
        "Allowed",
        "shop/web-1",
        "app",
        "ghcr.io/acme/app:1",
        A[7:19],
        RECORDS[0].identity[:12],
        "ours/acme",
    ]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ((), [4, 3, 2, 1, 0]),
        (("--limit", "2"), [4, 3]),
        (("--since", rfc3339(NOW + 2 * HOUR)), [4, 3, 2]),
        (("--until", rfc3339(NOW + 2 * HOUR)), [1, 0]),
        (("--namespace", "shop"), [4, 1, 0]),
        (("--namespace", "*-eu"), [3]),
        (("--namespace", ""), [2]),
        (("--image", "nginx"), [4, 2]),
        (("--image", "ghcr.io/*/*"), [3, 1, 0]),
        (("--image", "*/acme/**"), [1, 0]),
        (("--digest", B), [1]),
        (("--node", "n2"), [2]),
        (("--node", "n*"), [4, 3, 2, 1, 0]),
        (("--verdict", "Allowed"), [0]),
        (("--verdict", "Allowed", "--verdict", "Violation"), [4, 3, 2, 1, 0]),
        (("--verdict", "Error"), []),
        (("--image", "nginx", "--namespace", "", "--limit", "1"), [2]),
    ],
)
def test_events_are_filtered(run: Callable[..., str], options: tuple[str, ...], numbers: list[int]) -> None:
    found = objects(run("events", "--output", "json", *options))
    assert [each["identity"] for each in found] == [RECORDS[number].identity for number in numbers]


def test_an_events_json_holds_the_record_and_the_verdict(run: Callable[..., str]) -> None:
    first = objects(run("events", "--output", "json"))[-1]
    assert first["record"]["containerID"] == RECORDS[0].container_id
    assert (first["verdict"]["result"], first["verdict"]["trust"]) == ("Allowed", "name")
    assert first["judgedAt"] == rfc3339(NOW)


def test_events_as_csv_are_safe_in_a_spreadsheet(run: Callable[..., str]) -> None:
    text = run("events", "--output", "csv")
    assert text.isascii()
    newest, *_, oldest = rows(text)
    assert newest["container"] == "'=1+1"
    assert newest["pod"] == "\\x1b[2J=cmd|' /C calc'!A0\\x0a\\u202e"
    assert (oldest["verdict"], oldest["rules"], oldest["digest"]) == ("Allowed", "ours/acme", A)
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows(text) for value in row.values())


@pytest.mark.parametrize("command", ["events", "images", "violations"])
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_hostile_names_do_nothing_in_any_listing(run: Callable[..., str], command: str, form: str) -> None:
    for line in run(command, "--output", form).splitlines():
        assert line.isprintable() or form == "json"
        assert "\x1b" not in line


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\t=1", "\\x09=1"),
        ("a=1", "a=1"),
        ("\uff1d1", "'\uff1d1"),
        ("", ""),
    ],
)
def test_what_a_spreadsheet_would_run_is_quoted(text: str, safe: str) -> None:
    assert spreadsheet_safe(text) == safe


def test_images_have_exact_counts(run: Callable[..., str]) -> None:
    found = {
        (each["repository"], each["digest"]): int(each["starts"]) for each in rows(run("images", "--output", "csv"))
    }
    assert found == {
        ("ghcr.io/acme/app", A): 1,
        ("ghcr.io/acme/app", B): 1,
        ("docker.io/library/nginx", A): 2,
        ("ghcr.io/other/x", A): 1,
    }


@pytest.mark.parametrize(
    ("options", "repositories"),
    [
        (("--image", "ghcr.io/**"), ["ghcr.io/acme/app", "ghcr.io/acme/app", "ghcr.io/other/x"]),
        (("--digest", B), ["ghcr.io/acme/app"]),
        (("--namespace", "prod-*"), ["ghcr.io/other/x"]),
        (("--node", "n2"), ["docker.io/library/nginx"]),
        (("--until", rfc3339(NOW + HOUR)), ["ghcr.io/acme/app"]),
        (("--since", rfc3339(NOW + 4 * HOUR)), ["docker.io/library/nginx"]),
        (("--limit", "1"), ["docker.io/library/nginx"]),
    ],
)
def test_images_are_filtered(run: Callable[..., str], options: tuple[str, ...], repositories: list[str]) -> None:
    assert [each["repository"] for each in objects(run("images", "--output", "json", *options))] == repositories


def test_violations_are_listed(run: Callable[..., str]) -> None:
    found = {
        (each["rule"], each["repository"], each["namespace"]) for each in rows(run("violations", "--output", "csv"))
    }
    assert found == {
        ("(tag-moved)", "ghcr.io/acme/app", "shop"),
        ("(unmatched)", "docker.io/library/nginx", ""),
        ("(unmatched)", "docker.io/library/nginx", "shop"),
        ("(unmatched)", "ghcr.io/other/x", "prod-eu"),
    }
    assert "ours/(tag-moved)" in run("violations")


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (("--state", "open"), 4),
        (("--state", "over"), 0),
        (("--severity", "high"), 4),
        (("--severity", "low"), 0),
        (("--policy", "ours"), 4),
        (("--policy", "theirs"), 0),
        (("--namespace", ""), 1),
        (("--namespace", "shop"), 2),
        (("--image", "nginx"), 2),
        (("--image", "*/**", "--limit", "3"), 3),
    ],
)
def test_violations_are_filtered(run: Callable[..., str], options: tuple[str, ...], number: int) -> None:
    found = objects(run("violations", "--output", "json", *options))
    assert len(found) == number
    assert all(len(each["name"]) == 26 and each["state"] == "open" for each in found)


@pytest.mark.parametrize("beginning", [RECORDS[1].identity, RECORDS[1].identity[:10], RECORDS[1].container_id])
def test_one_start_is_shown_by_its_identity_its_beginning_or_its_container(
    run: Callable[..., str], beginning: str
) -> None:
    lines = [" ".join(line.split()) for line in run("show", beginning).splitlines()]
    assert f"Start: {RECORDS[1].identity}" in lines
    assert "Asked for: ghcr.io/acme/app:1" in {line.partition(" (by")[0] for line in lines}
    assert f"{B} manifest of ghcr.io/acme/app, by cri.imageStatus" in lines
    assert "Resources: memory 67108864 bytes, cpu unlimited" in lines
    assert f"Verdict: Violation, judged {rfc3339(NOW)}" in lines
    assert f"ours/(tag-moved): Violation, the tag led to {A} before" in lines
    assert any(line.startswith("Violation: ours/(tag-moved) open since ") for line in lines)
    assert any(line.startswith(f"{A} manifest, {rfc3339(NOW)} to") for line in lines)


def test_a_start_in_json_holds_its_tag_and_its_violations(run: Callable[..., str]) -> None:
    found = json.loads(run("show", RECORDS[1].identity, "--output", "json"))
    assert [each["digest"] for each in found["tag"]["digests"]] == [A, B]
    assert [each["key"]["rule"] for each in found["violations"]] == ["(tag-moved)"]


def test_a_hostile_start_is_shown_harmlessly(run: Callable[..., str]) -> None:
    assert all(line.isprintable() for line in run("show", RECORDS[4].identity).splitlines())


def test_a_beginning_of_several_starts_names_them(run: Callable[..., str]) -> None:
    output = run("show", "0" * 63, status=1)
    assert "more than one start is called so" in output
    assert all(each.identity in output for each in RECORDS)
    assert "no start is known" in run("show", "zzzz", status=1)


def test_explaining_a_start_judges_it_with_its_tags_history(judged: Path) -> None:
    def explain(start: str) -> tuple[int, str]:
        options = ("--policy", str(judged.parent / "policies"), "--start", start, "--journal", str(judged))
        result = CliRunner().invoke(make_app(), ["policy", "explain", *options])
        return result.exit_code, result.output

    status, text = explain(RECORDS[1].identity)
    assert status == 3
    assert "-> Violation by (tag-moved): the tag led to" in text
    assert explain(RECORDS[0].container_id)[0] == 0
    status, text = explain("zzzz")
    assert (status, "no start is known" in text) == (1, True)


def test_without_policies_there_is_no_verdict_and_all_else_is_there(unjudged: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(make_app(), [*arguments, "--journal", str(unjudged)])
        assert result.exit_code == 0, result.output
        return result.output

    assert [line.split()[1] for line in run("events").splitlines()[1:]] == ["-"] * 5
    assert {each["verdict"] for each in objects(run("events", "--output", "json"))} == {None}
    assert len(rows(run("images", "--output", "csv"))) == 4
    assert len(run("violations").splitlines()) == 1
    assert "none: no policy was there to judge by" in run("show", RECORDS[0].identity)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("90m", NOW - 90 * 60 * 10**9),
        ("24h", NOW - 24 * HOUR),
        ("7d", NOW - 7 * 24 * HOUR),
        ("30s", NOW - 30 * 10**9),
        ("2w", NOW - 14 * 24 * HOUR),
        ("2026-11-24T08:00:00Z", 1_795_507_200 * 10**9),
        ("2026-11-24T09:00:00+01:00", 1_795_507_200 * 10**9),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert nanoseconds_of(text, NOW) == ns


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24", "7", "-7d", "7 d", "9999999d", "2026-11-24T08:00:00"])
def test_what_is_no_time_is_refused_with_what_to_write(text: str, run: Callable[..., str]) -> None:
    output = run("events", f"--since={text}", status=2)
    assert "write" in " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize("options", [("--image", "ghcr.io/acme:1"), ("--namespace", "a b"), ("--node", "**")])
def test_what_is_no_pattern_is_refused(options: tuple[str, str], run: Callable[..., str]) -> None:
    assert "pattern" in run("events", *options, status=2)


@pytest.mark.parametrize("command", ["events", "images", "violations"])
def test_without_a_journal_the_error_says_what_to_do(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(make_app(), [command, "--journal", str(tmp_path / "none.db")])
    assert result.exit_code == 1
    assert "there is no journal; `rollcall watch` makes one" in result.stderr
