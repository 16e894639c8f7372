"""`--fail-on`: which verdicts fail, and which options go together."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from rollcall.judge import Result, Ruling, Verdict
from rollcall.policy.model import Mode
from rollcall_agent.command.fail_on import Failing, FailOn, judging_options

ALERT, AUDIT = Mode.ALERT, Mode.AUDIT
VIOLATION, ERROR = Result.VIOLATION, Result.ERROR


def verdict(*failing: tuple[Result, Mode]) -> Verdict:
    rulings = tuple(
        Ruling(policy="p", rule="r", result=result, message="", mode=mode, severity="low")  # type: ignore[arg-type]
        for result, mode in failing
    )
    return Verdict(result=failing[0][0] if failing else Result.ALLOWED, failing=rulings, message="")


@pytest.mark.parametrize(
    ("on", "failing", "failed"),
    [
        (None, [(VIOLATION, ALERT)], False),
        (FailOn.VIOLATION, [], False),
        (FailOn.VIOLATION, [(VIOLATION, ALERT)], True),
        (FailOn.VIOLATION, [(VIOLATION, AUDIT)], False),
        (FailOn.VIOLATION, [(ERROR, ALERT)], False),
        (FailOn.VIOLATION, [(ERROR, ALERT), (VIOLATION, AUDIT)], False),
        (FailOn.ERROR, [(VIOLATION, ALERT)], True),
        (FailOn.ERROR, [(ERROR, ALERT)], True),
        (FailOn.ERROR, [(ERROR, AUDIT)], False),
        (FailOn.AUDIT, [(VIOLATION, AUDIT)], True),
        (FailOn.AUDIT, [(ERROR, AUDIT)], True),
        (FailOn.AUDIT, [(VIOLATION, ALERT)], True),
        (FailOn.AUDIT, [], False),
    ],
)
def test_what_is_failed_on(on: FailOn | None, failing: list[tuple[Result, Mode]], failed: bool) -> None:
    looks = Failing(on)
    looks.look(verdict(*failing))
    looks.look(verdict())
    assert looks.failed is failed


def test_a_command_is_split_as_a_shell_would_and_has_to_be_there(tmp_path: Path) -> None:
    command = judging_options(tmp_path, None, "sh -c 'cat > /dev/null' $HOME", alerts_only=False)
    assert command == ["sh", "-c", "cat > /dev/null", "$HOME"]
    assert judging_options(tmp_path, FailOn.AUDIT, None, alerts_only=True) == []
    for wrong in ("", "'", "/nowhere/at/all"):
        with pytest.raises(typer.BadParameter, match="--on-violation"):
            judging_options(tmp_path, None, wrong, alerts_only=False)


def test_without_policies_nothing_can_be_failed_on_or_told(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="--fail-on needs policies"):
        judging_options(None, FailOn.AUDIT, None, alerts_only=False)
    with pytest.raises(typer.BadParameter, match="--alerts-only needs policies"):
        judging_options(None, None, None, alerts_only=True)
    with pytest.raises(typer.BadParameter, match="no such directory"):
        judging_options(tmp_path / "none", None, None, alerts_only=False)
