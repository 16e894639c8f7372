"""The doctor's report for people: findings, collectors, runtimes, a verdict. All is escaped."""

from __future__ import annotations

from typing import IO, Final

from msgspec import structs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollcall.text import printable
from rollcall_agent.doctor import Ability, Answer, Report, State

_LONGEST: Final = 400
_LONGEST_NAME: Final = 60
_COLOURS: Final = {State.OK: "green", State.WARNING: "yellow", State.ERROR: "red"}


def show(report: Report, file: IO[str]) -> None:
    """Write the report."""
    console = Console(file=file, highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in report.findings:
        _row(table, finding.state, finding.subject, finding.says, finding.remedy)
    table.add_section()
    for ability in report.collectors:
        state = State.OK if ability.works else State.WARNING
        says = f"{ability.says}; gives {_gives(ability)}" if ability.works else ability.says
        _row(table, state, f"collector {ability.name}", says, ability.remedy)
    for answer in report.runtimes:
        state = State.WARNING if answer.problem else State.OK
        _row(table, state, "runtime", f"{answer.endpoint}: {answer.problem or _introduction(answer)}")
    console.print(table)
    verdict = "`rollcall watch` will work here." if report.watch_works else "`rollcall watch` will not work here."
    console.print(Text(verdict, style="green" if report.watch_works else "red"))


def _row(table: Table, state: State, subject: str, says: str, remedy: str = "") -> None:
    text = Text(printable(says, _LONGEST))
    if remedy:
        text.append("\n" + printable(remedy, _LONGEST), style="bold")
    table.add_row(Text(state.value, style=_COLOURS[state]), Text(subject), text)


def _introduction(answer: Answer) -> str:
    name, version = answer.name[:_LONGEST_NAME], answer.version[:_LONGEST_NAME]
    return f"{name} {version}, answered in {answer.latency_ms or 0:.1f} ms"


def _gives(ability: Ability) -> str:
    given = [name.replace("_", " ") for name, has in structs.asdict(ability.gives).items() if has]
    return ", ".join(given) if given else "starts and ends alone"
