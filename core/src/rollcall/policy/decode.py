"""From YAML's nodes to plain values, by the types of a model: everything that does not fit, with its line."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Final

import yaml
from msgspec import Struct, inspect

from rollcall.policy.check import Path, Problem
from rollcall.text import printable

MOST_NODES: Final = 20_000
"""Nodes of one document, each counted as often as an alias repeats it: ten times what the caps let a policy hold."""

_NULL: Final = "tag:yaml.org,2002:null"
_TEXTS: Final = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"})  # a time may stand without quotes
_NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_BOOLEAN: Final = "tag:yaml.org,2002:bool"

Wrong: Final = object()
"""Stands for a value that does not fit; what is made from it is never used."""


class TooManyNodesError(ValueError):
    """A document is larger than any policy, most likely by aliases of aliases."""


class Decoder:
    """Decodes one document: `problems` is what does not fit, `lines` the line (from 1) of each field that was read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {}
        self._left = MOST_NODES

    def decode(self, node: yaml.Node, kind: inspect.Type, path: Path = ()) -> Any:  # noqa: ANN401 - what msgspec takes
        """Return a node's plain value, or `Wrong`. Goes no deeper than the type does. Raises TooManyNodesError."""
        self._left -= 1
        if self._left < 0:
            raise TooManyNodesError(f"more than {MOST_NODES} values: no policy is that large")
        self.lines[path] = node.start_mark.line + 1
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.UnionType):
            return self._union(node, kind, path)
        read = _READERS[type(kind)]
        return read(self, node, kind, path)

    def wrong(self, path: Path, message: str) -> Any:  # noqa: ANN401 - `Wrong`
        """Note what is wrong with a field."""
        self.problems.append(Problem(path, message))
        return Wrong

    def _union(self, node: yaml.Node, kind: inspect.UnionType, path: Path) -> Any:  # noqa: ANN401
        kinds = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        if len(kinds) == 1:
            return self.decode(node, kinds[0], path)
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS | _TEXTS:
            return node.value
        return self.wrong(path, f"write an amount, not {_what(node)}")

    def _struct(self, node: yaml.Node, kind: inspect.StructType, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(node, yaml.MappingNode):
            return self.wrong(path, f"write fields below it, as `name: value`, not {_what(node)}")
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        for key, key_node, value in self._pairs(node, path):
            if key in fields:
                values[key] = self.decode(value, fields[key].type, (*path, key))
                self.lines[(*path, key)] = key_node.start_mark.line + 1
            elif kind.forbid_unknown_fields and (path or key != "status"):
                self.lines[(*path, key)] = key_node.start_mark.line + 1
                self.wrong((*path, key), _unknown(key, fields))
        for name, field in fields.items():
            if field.required and name not in values:
                self.wrong((*path, name), f"it is missing: write it{_choices(field.type)}")
        return values

    def _pairs(self, node: yaml.MappingNode, path: Path) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """List what a mapping holds; the last of two of one name would win silently in most readers."""
        pairs: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.wrong(path, f"write names before the colons, not {_what(key_node)}")
                continue
            key = key_node.value
            if key in pairs:
                self.lines[(*path, key)] = key_node.start_mark.line + 1
                self.wrong(
                    (*path, key), f"it is there twice, first in line {pairs[key][1].start_mark.line + 1}: keep one"
                )
            pairs[key] = (key, key_node, value)
        return list(pairs.values())

    def _list(self, node: yaml.Node, kind: inspect.VarTupleType, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(node, yaml.SequenceNode):
            return self.wrong(path, f"write a list, as `- value` a line or `[value]`, not {_what(node)}")
        if not node.value and path != ("spec", "rules"):
            return self.wrong(path, "an empty list matches nothing: leave the field out, or list something")
        return [self.decode(each, kind.item_type, (*path, index)) for index, each in enumerate(node.value)]

    def _dict(self, node: yaml.Node, kind: inspect.DictType, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(node, yaml.MappingNode):
            return self.wrong(path, f"write names with their values, as `name: value`, not {_what(node)}")
        return {key: self.decode(value, kind.value_type, (*path, key)) for key, _, value in self._pairs(node, path)}

    def _string(self, node: yaml.Node, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401, ARG002
        if isinstance(node, yaml.ScalarNode):
            if node.tag in _TEXTS:
                return node.value
            if node.tag != _NULL:
                read_as = node.tag.rpartition(":")[2]
                return self.wrong(
                    path, f"put it in quotes, '{printable(node.value, 80)}': else it is read as {read_as}"
                )
        return self.wrong(path, f"write a text, not {_what(node)}")

    def _choice(self, node: yaml.Node, kind: inspect.EnumType | inspect.LiteralType, path: Path) -> Any:  # noqa: ANN401
        options = _options(kind)
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXTS and node.value in options:
            return node.value
        shown = f"'{printable(node.value, 80)}'" if isinstance(node, yaml.ScalarNode) else _what(node)
        return self.wrong(path, f"write {' or '.join(options)}, not {shown}")

    def _boolean(self, node: yaml.Node, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401, ARG002
        if isinstance(node, yaml.ScalarNode) and node.tag == _BOOLEAN and node.value.lower() in {"true", "false"}:
            return node.value.lower() == "true"
        return self.wrong(path, f"write true or false, not {_what(node)}")

    def _integer(self, node: yaml.Node, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401, ARG002
        if isinstance(node, yaml.ScalarNode) and node.value.isascii() and node.value.isdigit() and len(node.value) < 19:  # noqa: PLR2004 - below 2^63
            return int(node.value)
        return self.wrong(path, f"write a whole number, not {_what(node)}")


_READERS: Final[dict[type[inspect.Type], Callable[..., Any]]] = {
    inspect.StructType: Decoder._struct,  # noqa: SLF001 - a table of its own methods
    inspect.VarTupleType: Decoder._list,  # noqa: SLF001
    inspect.DictType: Decoder._dict,  # noqa: SLF001
    inspect.StrType: Decoder._string,  # noqa: SLF001
    inspect.EnumType: Decoder._choice,  # noqa: SLF001
    inspect.LiteralType: Decoder._choice,  # noqa: SLF001
    inspect.BoolType: Decoder._boolean,  # noqa: SLF001
    inspect.IntType: Decoder._integer,  # noqa: SLF001
}


def described(model: type[Struct]) -> inspect.Type:
    """Return the description of a model that `decode` goes by."""
    return inspect.type_info(model)


def _what(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
    return "nothing" if node.tag == _NULL else f"'{printable(node.value, 80)}'"


def _options(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.EnumType):
        return [str(member.value) for member in kind.cls]
    if isinstance(kind, inspect.LiteralType):
        return [str(value) for value in kind.values]
    return []


def _choices(kind: inspect.Type) -> str:
    options = _options(kind.type if isinstance(kind, inspect.Metadata) else kind)
    return f" ({' or '.join(options)})" if options else ""


def _unknown(key: str, fields: dict[str, inspect.Field]) -> str:
    near = difflib.get_close_matches(key[:80], fields, n=1)
    instead = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(fields)}"
    return f"there is no such field: {instead}"
