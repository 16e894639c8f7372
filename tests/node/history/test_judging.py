"""`rollcall watch --policy` on the real containerd: verdicts, violations, a tag that moves, kills in a burst."""

from __future__ import annotations

import json
import random
import secrets
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.images import make_image
from lab.watching import Watch, rollcall, rows
from node.watch.test_kill import Burst
from rollcall.fold import share
from rollcall.judge import Result, Trust
from rollcall.observation import observe
from rollcall.violations import State
from rollcall_agent.history.reader import Kept, open_history
from rollcall_agent.journal.start import State as StartState
from rollcall_agent.roll.compose import placed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.node_lab import NodeLab
    from lab.starting import Starter

    Begin = Callable[..., Watch]

kills_of_a_run = pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.long)])


def policy(name: str, spec: str) -> str:
    head = f"apiVersion: rollcall.dev/v1alpha1\nkind: ImageAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n"
    return head + textwrap.indent("match: {outsideKubernetes: true}\n" + textwrap.dedent(spec), "  ")


def kept(journal: Path, container_id: str) -> Kept | None:
    with open_history(journal) as history:
        return next(iter(history.find(container_id)), None)


def open_rules(journal: Path) -> set[str]:
    with open_history(journal) as history:
        return {f"{each.key.policy}/{each.key.rule}" for each in history.violations(states=[State.OPEN])}


def printed(watch: Watch) -> dict[str, dict[str, Any]]:
    """What JSON lines say of each container, verdict and all."""
    watch.take()
    return {line["containerID"]: line for line in map(json.loads, watch.lines)}


def resident_bytes(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def run(node: NodeLab, start: Starter, image: str) -> str:
    """Run a container of an image that is pulled now."""
    (name,) = start.names(1)
    node.ctr.pull(image)
    start._left.append(name)
    node.ctr.run(image, name)
    return name


def test_approved_denied_unapproved_and_moved_containers(
    begin: Begin, start: Starter, node: NodeLab, policies: Path, journal: Path
) -> None:
    hub, mark = node.registry, secrets.token_hex(4)
    images = {name: f"{hub.address}/{mark}/{name}:1" for name in ("good", "bad", "other", "moving")}
    made = {name: make_image(f"{mark}{name}") for name in images}
    for name, image in made.items():
        hub.push(image, f"{mark}/{name}", "1")
    (policies / "approved.yaml").write_text(
        policy(
            "approved",
            f"""
            rules:
              - {{name: good, effect: Allow, images: ["*/{mark}/good"], digests: ["{made["good"].root.digest}"]}}
              - {{name: moving, effect: Allow, images: ["*/{mark}/moving"]}}
              - {{name: bad, effect: Deny, images: ["*/{mark}/bad"], reason: It is bad.}}
            tags: {{tagMoved: Violation}}
            """,
        )
    )
    watch = begin("--output", "json", "--policy", str(policies), "--fail-on", "violation").attached()
    ids = {name: run(node, start, image) for name, image in images.items()}
    watch.printed(ids.values())
    lines = printed(watch)
    verdicts = {name: lines[container]["verdict"] for name, container in ids.items()}
    assert {name: verdict["result"] for name, verdict in verdicts.items()} == {
        "good": Result.ALLOWED,
        "bad": Result.VIOLATION,
        "other": Result.VIOLATION,
        "moving": Result.ALLOWED,
    }
    assert (verdicts["good"]["trust"], verdicts["moving"]["trust"]) == (Trust.DIGEST, Trust.NAME)
    assert [each["rule"] for each in verdicts["bad"]["failing"]] == ["bad"]
    assert [each["rule"] for each in verdicts["other"]["failing"]] == ["(unmatched)"]
    moved = make_image(f"{mark}elsewhere")
    hub.push(moved, f"{mark}/moving", "1")
    last = run(node, start, images["moving"])
    watch.printed([last])
    verdict = printed(watch)[last]["verdict"]
    assert [each["rule"] for each in verdict["failing"]] == ["(tag-moved)"]
    assert verdict["moved"] == [made["moving"].root.digest]
    assert open_rules(journal) == {"approved/bad", "approved/(unmatched)", "approved/(tag-moved)"}
    node.ctr.end(ids["bad"])
    watch.until(lambda: "approved/bad" not in open_rules(journal), "the end of its container ends a violation")
    (policies / "approved.yaml").unlink()
    watch.until(lambda: not open_rules(journal), "what no policy forbids any more is over")
    ended, alive = kept(journal, ids["bad"]), kept(journal, ids["other"])
    assert ended is not None
    assert ended.verdict is not None
    assert ended.verdict.result is Result.VIOLATION
    assert alive is not None
    assert alive.verdict is not None
    assert alive.verdict.result is Result.SKIPPED
    assert resident_bytes(watch.pid) < 64 << 20
    assert watch.stop() == 3


def test_alerts_alone_and_a_command_for_each(begin: Begin, start: Starter, policies: Path, tmp_path: Path) -> None:
    (policies / "a.yaml").write_text(policy("none", 'rules: [{name: shop, effect: Deny, images: ["*/lab/shop"]}]'))
    heard = tmp_path / "heard"
    command = f"sh -c 'cat >> {heard}'"
    watch = begin("--alerts-only", "--policy", str(policies), "--on-violation", command, "--no-existing").attached()
    start.short(1)

    def all_told() -> bool:
        alerts = [json.loads(line)["change"] for line in watch.lines]
        return "over" in alerts and heard.exists() and len(heard.read_text().splitlines()) == len(alerts)

    watch.until(all_told, "both are told that it opened, and that it is over")
    assert watch.stop() == 0
    lines = [json.loads(line) for line in watch.lines]
    assert [line["change"] for line in lines] == ["opened", "over"]
    assert sorted(map(json.loads, heard.read_text().splitlines()), key=str) == sorted(lines, key=str)
    assert lines[0]["violation"]["key"]["rule"] == "shop"


@pytest.mark.parametrize("options", [["--policy", "/nowhere"], ["--fail-on", "audit"], ["--on-violation", "/nowhere"]])
def test_options_that_do_not_go_together_are_refused(options: list[str], journal: Path) -> None:
    rollcall("watch", "--journal", str(journal), *options, status=2)


def test_ps_judges_what_runs_now(node: NodeLab, start: Starter, policies: Path) -> None:
    (name,) = start.long(1)
    arguments = ("ps", "--runtime-endpoint", str(node.containerd.socket), "--output", "json", "--policy", str(policies))
    (policies / "a.yaml").write_text(policy("none", 'rules: [{name: shop, effect: Deny, images: ["*/lab/shop"]}]'))
    for status, more in ((0, ()), (3, ("--fail-on", "violation"))):
        done = rollcall(*arguments, *more, status=status)
        lines = {line["containerID"]: line for line in map(json.loads, done.stdout.splitlines())}
        assert lines[name]["verdict"]["result"] == "Violation"
    (policies / "a.yaml").write_text("spec: [")
    assert "a.yaml:2" in rollcall(*arguments, status=1).stderr


@kills_of_a_run
def test_counts_are_exact_through_kills(
    begin: Begin, start: Starter, node: NodeLab, policies: Path, journal: Path, kills: int
) -> None:
    (policies / "a.yaml").write_text(policy("none", 'rules: [{name: shop, effect: Deny, images: ["*/lab/shop"]}]'))
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201  # for whoever has to repeat a failure
    moments = random.Random(seed)  # noqa: S311  # moments, no secrets

    def watching() -> Watch:
        return begin("--policy", str(policies)).attached()

    watching().answered_by(node.containerd.socket).kill()
    with Burst(start) as burst:
        for _ in range(kills):
            watch = watching()
            least = len(rows(journal)) + moments.randint(0, 5)
            watch.until(lambda: len(rows(journal)) >= least, "it is time to kill it", seconds=120)  # noqa: B023
            watch.kill()
    last = watching()
    known = {*burst.kept, *burst.running}

    def all_settled() -> bool:
        found = rows(journal)
        waits = {StartState.PENDING, StartState.READY}
        return known <= {each.container_id for each in found} and all(each.state not in waits for each in found)

    last.until(all_settled, "all is handed out", seconds=120)
    assert last.stop() == 0
    handed = [each for each in rows(journal) if each.sequence is not None]
    recount = Counter(share(observe(placed(each, ""))).key for each in handed)
    with open_history(journal) as history:
        assert Counter({each.key: each.starts for each in history.image_records() if each.starts}) == recount
        starts = list(history.starts())
        assert {each.identity for each in starts} == {each.identity for each in handed}
        fails = {each.identity for each in starts if each.verdict is not None and each.verdict.failing}
        alive = {each.identity for each in handed if each.ended_ns is None}
        failing = sum(each.containers for each in history.violations(states=[State.OPEN, State.WAITING]))
    assert len(fails & alive) == failing > 0
