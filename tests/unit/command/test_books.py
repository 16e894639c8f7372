"""`rollcall books`: what a person and a program read, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from msgspec.structs import replace
from typer.testing import CliRunner

from rollcall_agent.collect.event import KernelLedger, WaysOut
from rollcall_agent.command.books import books, in_words
from rollcall_agent.journal import AgentLedger, Books, Gap, KernelRow, open_journal

app = typer.Typer()
app.command()(books)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with open_journal(path, boot_id="b", now=lambda: 1_700_000_000_000_000_000) as journal, journal.transaction():
        journal.open_attach("core", 1, 0, 1_700_000_000_000_000_000)
        journal.count("read", 1234, attach=1)
        journal.count("not_a_root", 1234, reason="not_a_shape")
        ways = WaysOut(seen=2000, submitted=1234, lost=766)
        journal.close_attach(KernelLedger(attach=1, mkdirs=ways), 1_700_000_001_000_000_000)
        journal.gap(0, 1_700_000_000_000_000_000, "journal_corrupt", None)
    return path


def test_books_that_close(path: Path) -> None:
    status, words, _ = run("--journal", str(path))
    assert status == 0
    lines = [" ".join(line.split()) for line in words.splitlines()]
    assert "Attach 1: core, hierarchy 0, from 2023-11-14T22:13:20.000000Z to 2023-11-14T22:13:21.000000Z" in lines
    assert "- lost, for the ring buffer was full 766 0" in lines
    assert "- no container root: not_a_shape 1,234" in lines
    assert "from an unknown time to 2023-11-14T22:13:20.000000Z: journal_corrupt" in lines
    assert lines[-1] == "The books close: every start that was seen is accounted for."


def test_books_that_do_not_close(path: Path) -> None:
    with open_journal(path, boot_id="b") as journal, journal.transaction():
        journal.count("listed", 3)
    status, words, _ = run("--journal", str(path))
    assert status == 1
    assert words.splitlines()[-2:] == ["The books do NOT close:", "  the agent's sum of starts is off by 3"]
    status, text, _ = run("--journal", str(path), "--output", "json")
    assert status == 1
    assert json.loads(text)["agent"]["difference"] == 3


def test_the_json_form_holds_all_of_it(path: Path) -> None:
    status, text, _ = run("--journal", str(path), "--output", "json")
    assert status == 0
    found = json.loads(text)
    assert found["closed"] is True
    assert found["agent"]["not_a_root"] == {"not_a_shape": 1234}
    (row,) = found["kernel"]
    assert (row["ledger"]["mkdirs"]["lost"], row["difference"], row["unread"], row["closed"]) == (766, 0, 0, True)
    assert found["gaps"][0]["reason"] == "journal_corrupt"


def test_where_there_is_no_journal_the_error_says_what_to_do(tmp_path: Path) -> None:
    status, words, error = run("--journal", str(tmp_path / "none.db"))
    assert (status, words) == (1, "")
    assert "none.db: there is no journal; `rollcall watch` makes one" in error


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"read": 4, "closed_ns": 2},
            "attach 7 (bcc): 1 starts and 0 ends were submitted and not read",
        ),
        (
            {"ledger": KernelLedger(attach=7, mkdirs=WaysOut(seen=6, submitted=5), rmdirs=WaysOut(seen=1))},
            "attach 7 (bcc): the kernel's sums are off by 1 and 1; they are exact only once quiet",
        ),
    ],
)
def test_each_kernel_fault_is_named(changed: dict[str, int], words: str) -> None:
    row = KernelRow(
        collector="bcc",
        number=7,
        boot_id="b",
        hierarchy=1,
        opened_ns=1,
        closed_ns=None,
        interrupted=False,
        ledger=KernelLedger(attach=7, mkdirs=WaysOut(seen=5, submitted=5)),
        read=5,
        end_read=0,
    )
    whole = Books(
        epoch="e",
        created_ns=1,
        durable_ns=1,
        settled_up_to=0,
        kernel=(replace(row, **changed),),
        agent=AgentLedger(),
        gaps=(Gap(from_ns=1, to_ns=2, reason="attach_lost", bound=1200),),
    )
    lines = list(in_words(whole))
    assert lines[-1] == f"  {words}"
    assert any(line.endswith("attach_lost, at most 1,200") for line in lines)
