"""Reads policies and exceptions from YAML; of what is wrong it gives file, line, field and what to write instead.

Only YAML's own tree is read, never an object made from it; its size is bounded, and what aliases make of it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
import yaml
from msgspec import Struct, field

from rollcall.policy.check import Path, check_exception, check_policy, field_name, warnings
from rollcall.policy.decode import Decoder, TooManyNodesError, described
from rollcall.policy.model import ImageAdmissionException, ImageAdmissionPolicy
from rollcall.text import printable

LARGEST: Final = 2 * 1024 * 1024
"""Characters of the largest file that is read; a policy with all digests that it may have is a tenth of it."""

MOST_PROBLEMS: Final = 20
"""Problems told of one document; what follows is most often the same mistake."""

_DEEPEST: Final = 32
_LOADER: Final[type[yaml.SafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KINDS: Final[dict[str, type[ImageAdmissionPolicy | ImageAdmissionException]]] = {
    "ImageAdmissionPolicy": ImageAdmissionPolicy,
    "ImageAdmissionException": ImageAdmissionException,
}
_DESCRIBED: Final = {kind: described(model) for kind, model in _KINDS.items()}


class FileProblem(Struct, frozen=True, kw_only=True):
    """Something wrong in a file; `line` from 1, `field` as `spec.rules[0].name`, empty where there is none."""

    file: str
    line: int
    field: str = ""
    message: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{printable(self.file, 200)}:{self.line}: {where}{self.message}"


class Loaded(Struct, kw_only=True):
    """What files hold: all that is right, and every problem; `places` is where each exception stands, by its name."""

    policies: list[ImageAdmissionPolicy] = field(default_factory=list)
    exceptions: list[ImageAdmissionException] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    places: dict[str, tuple[str, Mapping[Path, int]]] = field(default_factory=dict)

    def warnings(self, now: int) -> Iterator[FileProblem]:
        """Yield what is right and yet to be told of exceptions; `now` in ns since 1970."""
        for exception, problem in warnings(self.policies, self.exceptions, now):
            file, lines = self.places[exception.name]
            where = _line(lines, problem.path)
            yield FileProblem(file=file, line=where, field=field_name(problem.path), message=problem.message)


def read(text: str, file: str) -> Loaded:
    """Read one file of one or more documents; `file` is how problems call it. Raises nothing for any text."""
    return read_all({file: text})


def read_all(files: Mapping[str, str]) -> Loaded:
    """Read several files, in the order of their names. A name that is there twice counts where it stands first."""
    loaded = Loaded()
    first: dict[tuple[str, str], str] = {}
    for file in sorted(files):
        _read_file(files[file], file, loaded, first)
    return loaded


def _read_file(text: str, file: str, loaded: Loaded, first: dict[tuple[str, str], str]) -> None:
    if len(text) > LARGEST:
        message = f"{len(text)} characters: a file has at most {LARGEST}; put its policies into several"
        loaded.problems.append(FileProblem(file=file, line=1, message=message))
        return
    documents = 0
    try:
        if line := _too_deep(text):
            message = f"it is nested deeper than {_DEEPEST}: no policy is"
            loaded.problems.append(FileProblem(file=file, line=line, message=message))
            return
        for node in yaml.compose_all(text, Loader=_LOADER):
            if isinstance(node, yaml.ScalarNode) and not node.value:
                continue  # nothing between two lines of `---`
            documents += 1
            _read_document(node, file, loaded, first)
    except yaml.YAMLError as error:
        loaded.problems.append(_syntax(error, file))
    except UnicodeError:
        loaded.problems.append(FileProblem(file=file, line=1, message="it is not UTF-8"))
    else:
        if not documents:
            loaded.problems.append(FileProblem(file=file, line=1, message="there is no policy and no exception in it"))


def _too_deep(text: str) -> int | None:
    """Return the line in which a file is nested deeper than any policy: composing it would overflow libyaml's stack."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _DEEPEST:
                return event.start_mark.line + 1 if event.start_mark is not None else 1
    except yaml.YAMLError as error:
        if "nesting depth" not in str(error):  # libyaml's own bound, which it meets before it gives any event
            raise
        return 1
    return None


def _read_document(node: yaml.Node, file: str, loaded: Loaded, first: dict[tuple[str, str], str]) -> None:
    line = node.start_mark.line + 1
    kind = _kind(node)
    if kind not in _KINDS:
        shown = f"'{printable(kind, 80)}'" if kind is not None else "nothing"
        message = f"write {' or '.join(_KINDS)}, not {shown}"
        loaded.problems.append(FileProblem(file=file, line=line, field="kind", message=message))
        return
    decoder = Decoder()
    try:
        values = decoder.decode(node, _DESCRIBED[kind])
    except TooManyNodesError as error:
        loaded.problems.append(FileProblem(file=file, line=line, message=str(error)))
        return
    problems = decoder.problems
    if not problems:
        made = msgspec.convert(values, _KINDS[kind])
        problems = check_policy(made) if isinstance(made, ImageAdmissionPolicy) else check_exception(made)
        if not problems:
            _keep(made, file, decoder.lines, loaded, first)
    for problem in problems[:MOST_PROBLEMS]:
        where = _line(decoder.lines, problem.path)
        loaded.problems.append(
            FileProblem(file=file, line=where, field=field_name(problem.path), message=problem.message)
        )
    if more := len(problems[MOST_PROBLEMS:]):
        loaded.problems.append(FileProblem(file=file, line=line, message=f"and {more} more problems in this document"))


def _keep(
    made: ImageAdmissionPolicy | ImageAdmissionException,
    file: str,
    lines: Mapping[Path, int],
    loaded: Loaded,
    first: dict[tuple[str, str], str],
) -> None:
    line = lines[()]
    here = f"{printable(file, 200)}:{line}"
    there = first.setdefault((made.kind, made.name), here)
    if there != here:
        message = f"'{made.name}' is there too, in {there}: write another name"
        loaded.problems.append(FileProblem(file=file, line=line, field="metadata.name", message=message))
    elif isinstance(made, ImageAdmissionPolicy):
        loaded.policies.append(made)
    else:
        loaded.exceptions.append(made)
        loaded.places[made.name] = file, lines


def _kind(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    pairs: Iterable[tuple[yaml.Node, yaml.Node]] = node.value
    for key, value in pairs:
        if isinstance(key, yaml.ScalarNode) and key.value == "kind" and isinstance(value, yaml.ScalarNode):
            return str(value.value)
    return None


def _line(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of a field, or of the nearest one around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _syntax(error: yaml.YAMLError, file: str) -> FileProblem:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unknown"
    message = f"it can't be read as YAML: {printable(str(problem), 200)}"
    return FileProblem(file=file, line=mark.line + 1 if mark is not None else 1, message=message)
