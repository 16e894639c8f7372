"""How records are written, as the commands' `--output` says."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum

from rollcall_agent.sink import Format
from rollcall_agent.sink.lines import FlatLines, JsonLines

_COLUMNS_UNKNOWN = (140, 24)


class Form(StrEnum):
    """The forms of a record."""

    JSON = "json"
    TABLE = "table"
    FLAT = "flat"


def format_for(form: Form | None, *, judged: bool = False) -> Format:
    """Return the format that was asked for; unless said a table on a terminal, else JSON lines."""
    terminal = sys.stdout.isatty()
    if form is Form.FLAT:
        return FlatLines()
    if form is Form.JSON or (form is None and not terminal):
        return JsonLines()
    from rollcall_agent.sink.table import Table  # noqa: PLC0415  # rich, for people alone

    colour = terminal and "NO_COLOR" not in os.environ
    return Table(shutil.get_terminal_size(_COLUMNS_UNKNOWN).columns, colour=colour, judged=judged)
