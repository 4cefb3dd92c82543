"""The JSON Schemas of reports, read off the classes they are made of and what is said there."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from anonymizer import translated
from anonymizer.head.expression import MOTION
from anonymizer.report import Report, Verdict
from anonymizer.translated import Translated

FORMAT: Final = "veilframe-report-1"
"""What a report says of itself."""
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas, draft 2020-12, of what `anonymizer.reportfile` writes, by their files."""
    return {"report.schema.json": schema(), "translation.schema.json": of_translations()}


def schema() -> dict[str, Any]:
    """The schema of reports of what was anonymized."""
    about = {
        "verdict": {"enum": list(get_args(Verdict))},
        "reason": {"type": "string", "description": "What is doubtful; empty if nothing is."},
    }
    made = _schema(Report, FORMAT, "Report of veilframe", about)
    made["properties"]["motion"]["items"] = {"enum": list(MOTION)}
    return made


def of_translations() -> dict[str, Any]:
    """The schema of reports of what was translated."""
    return _schema(Translated, translated.FORMAT, "Report of a translation by veilframe", {})


def _schema(kind: type, name: str, title: str, about: dict[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    made = _object(kind, parts)
    about = {"format": {"const": name}} | about
    made["properties"]["destination"]["description"] = "Name of the output, without its folder."
    return {
        "$schema": _DIALECT,
        "$id": f"urn:{name}",
        "title": title,
        **made,
        "properties": about | made["properties"],
        "required": [*about, *made["required"]],
        "$defs": parts,
    }


def _object(kind: type, parts: dict[str, Any]) -> dict[str, Any]:
    """A dataclass; those that it holds go to ``parts``."""
    kinds, said = get_type_hints(kind), documented(kind)
    properties = {item.name: _kind(kinds[item.name], parts) for item in fields(kind)}
    for name, words in said.items():
        properties[name] = {**properties[name], "description": words}
    return {
        "type": "object",
        "description": inspect.getdoc(kind),
        "properties": properties,
        "required": list(properties),
    }


def _kind(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - an annotation
    """The schema of one annotation."""
    if is_dataclass(kind) and isinstance(kind, type):
        parts[kind.__name__] = _object(kind, parts)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is UnionType:
        if all(part in _PLAIN for part in get_args(kind)):
            return {"type": [_PLAIN[part] for part in get_args(kind)]}
        return {"anyOf": [_kind(part, parts) for part in get_args(kind)]}
    if get_origin(kind) is tuple:
        return _array(get_args(kind), parts)
    if get_origin(kind) is dict:
        value = get_args(kind)[1]
        return {"type": "object"} if value is object else _table(_kind(value, parts))
    raise TypeError(f"no schema for {kind}; teach reportschema how it is written")


def _table(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _array(items: tuple[Any, ...], parts: dict[str, Any]) -> dict[str, Any]:
    if items[-1] is Ellipsis:
        return {"type": "array", "items": _kind(items[0], parts)}
    kinds = [_kind(item, parts) for item in items]
    return {"type": "array", "prefixItems": kinds, "minItems": len(kinds), "maxItems": len(kinds)}


def documented(kind: type) -> dict[str, str]:
    """What is said under the fields of a class; words under several fields are of the last one."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(words.value.value).replace("\n", " ").replace("``", "")
        for field, words in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
        and isinstance(words.value.value, str)
    }
