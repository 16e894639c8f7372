"""Finds the files of policies below the paths that a person names, and takes in their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rollcall.policy.read import LARGEST, FileProblem

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_UTF8_LENGTH: Final = 4  # bytes of the longest character


def gather(paths: Iterable[Path]) -> tuple[dict[str, str], list[FileProblem]]:
    """Return the text of each file by its name, and what can't be read.

    Of a directory these are its files that end in .yaml, .yml or .json and do not begin with a dot; what lies deeper is
    not looked at, as in a mounted ConfigMap, whose own directories begin with dots.
    """
    texts: dict[str, str] = {}
    problems: list[FileProblem] = []
    for path in paths:
        try:
            files = list(_files(path))
        except OSError as error:
            problems.append(_unreadable(path, error))
            continue
        if not files:
            message = f"there is no file in it that ends in {', '.join(_SUFFIXES)}"
            problems.append(FileProblem(file=str(path), line=1, message=message))
        for file in files:
            try:
                texts[str(file)] = _text(file)
            except OSError as error:
                problems.append(_unreadable(file, error))
            except UnicodeDecodeError as error:
                line = error.object.count(b"\n", 0, error.start) + 1
                problems.append(FileProblem(file=str(file), line=line, message="it is not UTF-8"))
    return texts, problems


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.iterdir()):
        if file.name.endswith(_SUFFIXES) and not file.name.startswith(".") and not file.is_dir():
            yield file


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        raw = opened.read(LARGEST * _UTF8_LENGTH + 1)  # more than any that is read is too large for `read`, too
    return raw.decode("utf-8") if len(raw) <= LARGEST * _UTF8_LENGTH else "-" * (LARGEST + 1)


def _unreadable(path: Path, error: OSError) -> FileProblem:
    return FileProblem(file=str(path), line=1, message=f"it can't be read: {error.strerror}")
