"""Policies on one machine: edited, broken, swapped, waived; what lives is judged again, what has ended is not."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.history import Machine
from lab.policies import NOW
from rollcall.judge import Result
from rollcall.times import rfc3339
from rollcall.violations import Change, End, State

HOUR = 3600 * 10**9

APPROVED = """
    apiVersion: rollcall.dev/v1alpha1
    kind: ImageAdmissionPolicy
    metadata: {name: approved}
    spec:
      match: {namespaces: {names: ["*"]}, outsideKubernetes: true}
      rules:
        - {name: ours, effect: Allow, images: [ghcr.io/acme/**]}
"""
DENIED = """
    apiVersion: rollcall.dev/v1alpha1
    kind: ImageAdmissionPolicy
    metadata: {name: denied}
    spec:
      match: {namespaces: {names: ["*"]}, outsideKubernetes: true}
      rules:
        - {name: bad, effect: Deny, images: [evil.test/**], reason: It is bad.}
"""
UNMOVED = """
    apiVersion: rollcall.dev/v1alpha1
    kind: ImageAdmissionPolicy
    metadata: {name: unmoved}
    spec:
      match: {outsideKubernetes: true}
      tags: {tagMoved: Violation}
"""


def waiver(expires_ns: int) -> str:
    return f"""
        apiVersion: rollcall.dev/v1alpha1
        kind: ImageAdmissionException
        metadata: {{name: for-now}}
        spec:
          policy: denied
          rules: [bad]
          match: {{outsideKubernetes: true}}
          expires: {rfc3339(expires_ns)}
          reason: Until it is replaced.
          requestedBy: one
          approvedBy: another
    """


def states(machine: Machine) -> dict[str, tuple[State, End | None]]:
    with machine.reader() as reader:
        return {f"{each.key.policy}/{each.key.rule}": (each.state, each.end) for each in reader.violations()}


def results(machine: Machine) -> list[Result | None]:
    with machine.reader() as reader:
        return [kept.verdict.result if kept.verdict else None for kept in reader.starts(newest_first=False)]


def test_what_starts_is_judged_and_its_violation_opens_repeats_and_ends(machine: Machine) -> None:
    machine.write("a.yaml", APPROVED)
    machine.write("b.yml", DENIED)
    machine.tick()
    verdict = machine.start(1, "ghcr.io/acme/app:1", "a")
    assert verdict is not None
    assert verdict.result is Result.ALLOWED
    rows = [machine.add(number, "evil.test/app:1", "b") for number in (2, 3)]
    assert [verdict.result for _, verdict in machine.hand() if verdict] == [Result.VIOLATION] * 2
    machine.settle()
    assert machine.told() == [
        (Change.OPENED, "approved/(unmatched)"),
        (Change.OPENED, "denied/bad"),
        (Change.REPEATED, "approved/(unmatched)"),
        (Change.REPEATED, "denied/bad"),
    ]
    machine.end(rows[0])
    machine.tick()
    assert len(machine.told()) == 4
    machine.end(rows[1])
    machine.tick()
    assert [change for change, _ in machine.told()[4:]] == [Change.OVER, Change.OVER]
    assert set(states(machine).values()) == {(State.OVER, End.ENDED)}


def test_an_edit_judges_again_what_lives_and_nothing_that_has_ended(machine: Machine) -> None:
    machine.write("a.yaml", APPROVED)
    machine.tick()
    ended = machine.add(1, "other.test/app:1", "a")
    machine.add(2, "other.test/app:1", "b")
    machine.hand()
    machine.end(ended)
    machine.tick()
    machine.write("a.yaml", APPROVED.replace("ghcr.io/acme/**", "other.test/**"))
    machine.tick()
    assert results(machine) == [Result.VIOLATION, Result.ALLOWED]
    assert states(machine) == {"approved/(unmatched)": (State.OVER, End.APPROVED)}
    machine.write("b.yaml", DENIED.replace("evil.test", "other.test"))
    machine.tick()
    assert results(machine) == [Result.VIOLATION, Result.VIOLATION]
    assert states(machine)["denied/bad"] == (State.OPEN, None)
    assert machine.policies is not None
    (machine.policies / "b.yaml").unlink()
    machine.tick()
    assert states(machine)["denied/bad"] == (State.OVER, End.POLICY_GONE)


def test_a_change_while_nobody_watched_judges_again(machine: Machine) -> None:
    machine.write("a.yaml", APPROVED)
    machine.tick()
    machine.start(1, "other.test/app:1", "a")
    machine.close()
    machine.write("a.yaml", APPROVED.replace("ghcr.io/acme/**", "other.test/**"))
    machine.again().tick()
    assert results(machine) == [Result.ALLOWED]
    assert states(machine) == {"approved/(unmatched)": (State.OVER, End.APPROVED)}


def test_what_started_without_policies_is_judged_once_there_are_some(tmp_path: Path) -> None:
    before = Machine(tmp_path / "journal.db", policies=None)
    assert before.start(1, "evil.test/app:1", "a") is None
    before.close()
    machine = Machine(tmp_path / "journal.db", policies=tmp_path / "policies")
    machine.write("b.yaml", DENIED)
    machine.tick()
    assert results(machine) == [Result.VIOLATION]
    machine.close()


def test_a_broken_file_goes_on_as_it_was_also_over_a_restart(machine: Machine) -> None:
    machine.write("a.yaml", APPROVED)
    machine.write("b.yaml", DENIED)
    machine.tick()
    machine.write("b.yaml", DENIED.replace("effect: Deny", "effect: Denie"))
    machine.write("a.yaml", APPROVED.replace("ghcr.io/acme/**", "evil.test/**"))
    for restart in (False, True):
        if restart:
            machine.again()
        machine.tick()
        (file,) = machine.judging.broken
        assert file.endswith("b.yaml")
        assert "spec.rules[0].effect" in machine.judging.broken[file]
        verdict = machine.start(1 + restart, "evil.test/app:1", "a")
        assert verdict is not None
        assert [each.policy for each in verdict.failing] == ["denied"]
    with machine.reader() as reader:
        assert reader.broken_policies().keys() == {file}
    machine.write("b.yaml", DENIED)
    machine.tick()
    assert machine.judging.broken == {}


def test_a_file_that_was_never_right_has_no_part_and_the_others_go_on(machine: Machine) -> None:
    machine.write("a.yaml", APPROVED.replace("Allow", "Alow"))
    machine.write("b.yaml", DENIED)
    machine.tick()
    verdict = machine.start(1, "evil.test/app:1", "a")
    assert verdict is not None
    assert [each.policy for each in verdict.failing] == ["denied"]
    assert len(machine.judging.broken) == 1


def test_a_name_that_is_taken_breaks_the_file_that_has_changed(machine: Machine) -> None:
    machine.write("b.yaml", DENIED)
    machine.tick()
    machine.write("a.yaml", DENIED.replace("evil.test", "other.test"))
    machine.tick()
    (file,) = machine.judging.broken
    assert file.endswith("a.yaml")
    verdict = machine.start(1, "evil.test/app:1", "a")
    assert verdict is not None
    assert verdict.result is Result.VIOLATION


def test_a_folder_that_is_gone_for_a_moment_changes_nothing(machine: Machine) -> None:
    machine.write("b.yaml", DENIED)
    machine.tick()
    machine.start(1, "evil.test/app:1", "a")
    assert machine.policies is not None
    away = machine.policies.rename(machine.policies.with_name("away"))
    machine.tick()
    assert "can't be read" in machine.judging.broken[str(machine.policies)]
    assert states(machine)["denied/bad"] == (State.OPEN, None)
    shutil.move(away, machine.policies)
    machine.tick()
    assert machine.judging.broken == {}


def test_a_folder_swapped_by_a_symbolic_link_is_seen(tmp_path: Path) -> None:
    """As the kubelet writes a ConfigMap: files are links into `..data`, itself a link, which is renamed over."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for version, image in (("1", "evil.test"), ("2", "other.test")):
        (folder / f"..{version}").mkdir()
        (folder / f"..{version}" / "a.yaml").write_text(DENIED.replace("evil.test", image))
    (folder / "..data").symlink_to("..1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    machine = Machine(tmp_path / "journal.db", policies=folder)
    machine.start(1, "evil.test/app:1", "a")
    assert states(machine) == {"denied/bad": (State.OPEN, None)}
    (folder / "..new").symlink_to("..2")
    (folder / "..new").rename(folder / "..data")
    machine.tick()
    assert results(machine) == [Result.UNMATCHED]
    machine.close()


def test_an_exception_waives_until_it_expires(machine: Machine) -> None:
    machine.write("b.yaml", DENIED)
    machine.tick()
    machine.start(1, "evil.test/app:1", "a")
    machine.write("c.yaml", waiver(NOW + HOUR))
    machine.tick()
    assert states(machine) == {"denied/bad": (State.OVER, End.EXCEPTED)}
    machine.now = NOW + HOUR - 1
    machine.tick()
    assert results(machine) == [Result.UNMATCHED]
    machine.now = NOW + HOUR
    machine.tick()
    assert states(machine) == {"denied/bad": (State.OPEN, None)}
    assert [change for change, _ in machine.told()] == [Change.OPENED, Change.OVER, Change.OPENED]


def test_an_exception_that_expired_while_nobody_watched_reopens(machine: Machine) -> None:
    machine.write("b.yaml", DENIED)
    machine.write("c.yaml", waiver(NOW + HOUR))
    machine.tick()
    machine.start(1, "evil.test/app:1", "a")
    assert states(machine) == {}
    machine.now = NOW + 2 * HOUR
    machine.again().tick()
    assert states(machine) == {"denied/bad": (State.OPEN, None)}


def test_a_tag_that_moved_is_told_once(machine: Machine) -> None:
    machine.write("a.yaml", UNMOVED)
    machine.tick()
    found = [machine.start(number, "ghcr.io/acme/app:1", letter) for number, letter in enumerate("aabb")]
    assert [verdict.result for verdict in found if verdict] == [
        Result.UNMATCHED,
        Result.UNMATCHED,
        Result.VIOLATION,
        Result.UNMATCHED,
    ]


def test_a_late_answer_resolves_what_the_first_one_opened(machine: Machine) -> None:
    machine.write("a.yaml", APPROVED)
    machine.tick()
    row = machine.add(1, None, None)
    machine.hand()
    machine.settle()
    assert states(machine) == {"approved/(unresolved)": (State.OPEN, None)}
    assert machine.late(row, 1, "ghcr.io/acme/app:1", "a")
    ((record, verdict),) = machine.hand()
    assert record.supersedes is not None
    assert verdict is not None
    assert verdict.result is Result.ALLOWED
    assert states(machine) == {"approved/(unresolved)": (State.OVER, End.RESOLVED)}


def test_a_journal_begun_anew_has_the_last_good_policies(machine: Machine) -> None:
    machine.write("b.yaml", DENIED)
    machine.tick()
    machine.start(1, "evil.test/app:1", "a")
    machine.write("b.yaml", "spec: [")
    machine.tick()
    machine.journal.renew()
    machine.keeper.begin()
    assert states(machine) == {}
    verdict = machine.start(2, "evil.test/app:1", "a")
    assert verdict is not None
    assert verdict.result is Result.VIOLATION
    assert states(machine) == {"denied/bad": (State.OPEN, None)}
    machine.again()
    assert machine.start(3, "evil.test/app:1", "a") == verdict


def test_policies_in_mode_audit_judge_and_tell_nobody(machine: Machine) -> None:
    machine.write("b.yaml", DENIED.replace("spec:", "spec:\n      mode: Audit"))
    machine.tick()
    verdict = machine.start(1, "evil.test/app:1", "a")
    assert verdict is not None
    assert verdict.result is Result.VIOLATION
    assert states(machine) == {"denied/bad": (State.OPEN, None)}
    assert machine.told() == []
