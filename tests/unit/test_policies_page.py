"""docs/policies.md is true: its policies pass the check, its commands print what it shows, its options exist."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from typer.testing import CliRunner

from lab.policies import NOW
from rollcall.__main__ import make_app
from rollcall.policy.read import read

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text()
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(Struct, frozen=True):
    language: str
    file: str | None
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(match["language"], match["file"], match["text"]) for match in _BLOCK.finditer(text)]


SECTIONS = [section for section in re.split(r"^(?=## )", PAGE, flags=re.MULTILINE) if "```" in section]


def title(section: str) -> str:
    return section.partition("\n")[0].removeprefix("## ")


def shown(text: str) -> Iterator[tuple[str, str]]:
    """Give each command of a console block with what is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.rstrip("\n")


@pytest.mark.parametrize("section", SECTIONS, ids=title)
def test_what_the_page_shows_is_what_is_printed(section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time_ns", lambda: NOW)  # its exception must not have expired
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in blocks(section):
        if block.file is not None:
            (tmp_path / block.file).write_text(block.text)
        elif block.language == "console":
            for command, output in shown(block.text):
                name, *arguments = shlex.split(command)
                assert name == "rollcall"
                assert printed(arguments) == output, command


def printed(arguments: list[str]) -> str:
    return CliRunner().invoke(make_app(), arguments).output.rstrip("\n")


@pytest.mark.parametrize("section", SECTIONS, ids=title)
def test_its_policies_are_right_but_for_the_broken_one(section: str) -> None:
    for block in blocks(section):
        if block.language == "yaml":
            assert block.file is not None
            problems = read(block.text, block.file).problems
            assert bool(problems) is (block.file == "broken.yaml"), problems


def test_its_links_lead_somewhere() -> None:
    titles = re.findall(r"^## (.*)", PAGE, flags=re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        place, _, anchor = target.partition("#")
        assert not place or os.path.lexists(ROOT / "docs" / place), target
        assert not anchor or anchor in headings, target


def test_the_commands_that_it_only_names_exist_with_their_options() -> None:
    named = [line for block in blocks(PAGE) if block.language == "sh" for line in block.text.splitlines()]
    for line in named:
        name, *arguments = shlex.split(line)
        assert name == "rollcall"
        helped = printed([*itertools.takewhile(str.isidentifier, arguments[:2]), "--help"])
        assert [word for word in arguments if word.startswith("--") and word not in helped] == [], line
