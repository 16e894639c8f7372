"""What a model says of its fields, for the pages that are written from models."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct, inspect

_PLAIN_TYPES: dict[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.DictType: "object of strings",
}


class FieldText(Struct, frozen=True):
    """A field's path (`image.digests[].kind`), its type in words, its description, and what the model adds to it."""

    path: str
    kind: str
    description: str
    extra: dict[str, str]


def fields(model: type[msgspec.Struct], above: str = "") -> Iterator[FieldText]:
    """Yield each field of a model, and of those that it is made of. Raises TypeError where one is not described."""
    described = inspect.type_info(model)
    assert isinstance(described, inspect.StructType)  # noqa: S101  # for the type checker: models are structs
    for field in described.fields:
        path = f"{above}{field.encode_name}"
        if not isinstance(field.type, inspect.Metadata):
            raise TypeError(f"the field {path} has no description")
        name, inner, suffix = _type(field.type.type)
        schema, extra = field.type.extra_json_schema or {}, field.type.extra or {}
        yield FieldText(path, name, schema["description"], extra)
        if inner is not None:
            yield from fields(inner, f"{path}{suffix}.")


def _type(kind: inspect.Type) -> tuple[str, type[msgspec.Struct] | None, str]:
    """Return the name of a type, the model inside it, and what its path gets where it is a list."""
    if isinstance(kind, inspect.UnionType):
        kinds = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        if len(kinds) > 1:
            return " or ".join(_type(each)[0] for each in kinds), None, ""
        (kind,) = kinds
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.VarTupleType):
        name, inner, _ = _type(kind.item_type)
        return f"array of {name}s" if " " not in name else f"array, each {name}", inner, "[]"
    if isinstance(kind, inspect.StructType):
        return "object", kind.cls, ""
    if isinstance(kind, inspect.EnumType):
        return "one of " + ", ".join(f"`{member.value}`" for member in kind.cls), None, ""
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values), None, ""
    return _PLAIN_TYPES[type(kind)], None, ""
