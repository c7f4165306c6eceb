"""What pydantic refuses, as sentences with file, line, column, the offending value and a suggestion."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tinyops.documents.fields import Misplaced, Secret
from tinyops.documents.reading import Loc, YamlDocument
from tinyops.errors import Problem

NotYet: TypeAlias = Mapping[tuple[str, str], str]
"""(a model's class name, a field's name) or (a field's name, a kind's name) -> why tinyops refuses it for now."""

ModelT = TypeVar("ModelT", bound=BaseModel)
_SHOWN_VALUE = 60

_NUMBERS = {
    "greater_than": ("gt", "must be greater than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
}
_LENGTHS = {
    "too_short": ("min_length", "needs at least {} of them"),
    "too_long": ("max_length", "has more than {} of them"),
    "string_too_short": ("min_length", "needs at least {} characters"),
    "string_too_long": ("max_length", "is longer than {} characters"),
}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "date_type": 'a date such as "2027-06-30"',
    "date_parsing": 'a date such as "2027-06-30"',
    "date_from_datetime_parsing": 'a date such as "2027-06-30"',
    "date_from_datetime_inexact": 'a date such as "2027-06-30"',
}


def closest(word: object, choices: Iterable[str], *, or_list: bool = True) -> str:
    """The hint for a word that is not one of the choices: the one that was meant, or what there is."""
    known = sorted(choices)
    found = difflib.get_close_matches(str(word).lower(), [k.lower() for k in known], n=1, cutoff=0.6)
    if found:
        return f"did you mean {next(k for k in known if k.lower() == found[0])}?"
    if not known or not or_list:
        return ""
    return f"there is: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"


def shown(value: object) -> str:
    """A value as it would stand in YAML, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"


def validate(document: YamlDocument, model: type[ModelT], not_yet: NotYet | None = None) -> ModelT | list[Problem]:
    """The document as a frozen object, or everything that is wrong with it.

    Validation is that of JSON in strict mode: a list is a tuple, a date is text, and no type turns into another.
    """
    try:
        return model.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        return validation_problems(error, document, model, not_yet or {})


def validation_problems(
    error: ValidationError, document: YamlDocument, model: type[BaseModel], not_yet: NotYet
) -> list[Problem]:
    """One Problem for each of pydantic's errors, at the value or key that caused it."""
    found = [_problem(dict(e), document, model, not_yet) for e in error.errors(include_url=False)]
    return [problem for problem in found if problem is not None]


@dataclass(frozen=True)
class _Spot:
    """Where an error's loc leads: the YAML path, the type wanted there, and whether it lies in a Secret."""

    path: Loc
    wanted: Any
    secret: bool
    rest: Loc  # parts that are not in the document: a missing field


def _problem(error: dict[str, Any], document: YamlDocument, model: type[BaseModel], not_yet: NotYet) -> Problem | None:
    loc: Loc = tuple(error["loc"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Misplaced):
        loc += cause.loc
    spot = _follow(model, document.value, loc)
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_field(spot, document, not_yet)
    if kind == "missing":
        return _missing(spot, document, str(loc[-1]))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_kind(spot, document, not_yet)
    value = _value_at(document.value, spot.path)
    if kind == "literal_error" and spot.path and (str(spot.path[-1]), str(value)) in not_yet:
        return document.problem(spot.path, f"{_dotted(spot.path)}: {not_yet[str(spot.path[-1]), str(value)]}")
    if _follows_from_another(error, spot, value):
        return None
    message, hint = _sentence(error, spot, cause)
    if loc[-1:] == ("[key]",):
        return document.problem(spot.path, f"{_dotted(spot.path)}: {message}", hint, key=True)
    if not spot.secret and _is_scalar(value):
        message += f", not {shown(value)}" if kind in _TYPES or kind == "literal_error" else f": {shown(value)}"
    return document.problem(spot.path, f"{_dotted(spot.path)}: {message}", hint)


def _follows_from_another(error: dict[str, Any], spot: _Spot, value: object) -> bool:
    """Whether another error of the same value says it better: entries that are wrong do not count for pydantic, and
    of a word or a list it tells why it is neither."""
    if error["type"] == "too_short":
        enough: int = error["ctx"]["min_length"]
        return _is_scalar(value) or (isinstance(value, list) and len(value) >= enough)
    if _words(spot.wanted) and _is_union(spot.wanted):
        return bool(error["type"] == "literal_error") != isinstance(value, str)
    return False


def _words(wanted: Any) -> list[str]:
    """The words that may stand there, alone, in place of something else, or in a list that one word may stand for."""
    members = list(map(_bare, get_args(wanted)) if _is_union(wanted) else (wanted,))
    if not _is_union(wanted) and get_origin(wanted) is tuple:
        members = [_bare(get_args(wanted)[0])]
    return [str(word) for m in members if get_origin(m) is Literal for word in get_args(m)]


def _sentence(error: dict[str, Any], spot: _Spot, cause: object) -> tuple[str, str]:
    """What is wrong, and what to do, for one of pydantic's errors."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        others = ["a list"] if _is_union(spot.wanted) else []
        return _choice(error["input"], [*_words(spot.wanted), *others])
    if spot.secret:
        return "must read {secret: NAME}", "give the name of a secret, never the secret itself"
    if kind in _NUMBERS:
        field, text = _NUMBERS[kind]
        return text.format(context[field]), ""
    if kind in _LENGTHS:
        field, text = _LENGTHS[kind]
        return text.format(context[field]), ""
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}", _quoting_hint(kind, error["input"])
    if cause is not None:
        return str(cause), getattr(cause, "hint", "")
    return str(error["msg"]), ""


def _choice(value: object, choices: list[str]) -> tuple[str, str]:
    if len(choices) == 1:
        return f"must be {choices[0]}", ""
    return f"must be one of {', '.join(choices)}", closest(value, choices, or_list=False)


def _quoting_hint(kind: str, value: object) -> str:
    if kind in ("string_type", "date_type") and isinstance(value, bool | int | float):
        return f'quote it: "{json.dumps(value)}"'
    if kind == "tuple_type" and isinstance(value, str | int | float):
        return f"in brackets: [{value}]" if len(str(value)) < _SHOWN_VALUE else ""
    if kind in ("int_type", "float_type", "bool_type") and isinstance(value, str):
        return "remove the quotes" if _reads_as(kind, value) else ""
    return ""


def _reads_as(kind: str, text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, bool) == (kind == "bool_type") and isinstance(value, bool | int | float)


def _unknown_field(spot: _Spot, document: YamlDocument, not_yet: NotYet) -> Problem:
    name = str(spot.path[-1])
    owner = spot.wanted  # the model that does not know the field
    sentence = not_yet.get((getattr(owner, "__name__", ""), name))
    if sentence is not None:
        return document.problem(spot.path, f"{_dotted(spot.path)}: {sentence}", "remove it", key=True)
    hint = closest(name, _field_names(owner))
    return document.problem(spot.path, f"{_dotted(spot.path)}: unknown field {shown(name)}", hint, key=True)


def _missing(spot: _Spot, document: YamlDocument, name: str) -> Problem:
    what = f"{_dotted(spot.path)}: " if spot.path else ""
    field = getattr(spot.wanted, "model_fields", {}).get(name)
    return document.problem(spot.path, f"{what}field {shown(name)} is missing", (field and field.description) or "")


def _wrong_kind(spot: _Spot, document: YamlDocument, not_yet: NotYet) -> Problem:
    kinds = sorted(_kinds(spot.wanted))
    there_is = f"kinds: {', '.join(kinds)}"
    value = _value_at(document.value, spot.path)
    where = _dotted(spot.path)
    if not isinstance(value, Mapping):
        return document.problem(spot.path, f"{where}: must be a mapping with a kind, not {shown(value)}", there_is)
    if "kind" not in value:
        return document.problem(spot.path, f'{where}: field "kind" is missing', there_is)
    path = (*spot.path, "kind")
    names = [part for part in spot.path if isinstance(part, str)]
    sentence = not_yet.get((names[-1] if names else "", str(value["kind"])))
    if sentence is not None:
        return document.problem(path, f"{_dotted(path)}: {sentence}", there_is)
    message = f"{_dotted(path)}: must be one of {', '.join(kinds)}, not {shown(value['kind'])}"
    return document.problem(path, message, closest(value["kind"], kinds, or_list=False))


# -- where a loc leads -------------------------------------------------------------------------


def _follow(model: Any, value: Any, loc: Loc) -> _Spot:
    """Walks types and values together, for a loc also holds the kinds of unions, which no document has."""
    wanted, path, secret = _bare(model), Loc(), False
    for at, part in enumerate(loc):
        secret = secret or _is_model(wanted, Secret)
        if _is_union(wanted) and isinstance(part, str):
            wanted = _kinds(wanted).get(str(part), wanted)
            continue
        if part == "[key]":
            continue
        if not _has(value, part):
            return _Spot(path, wanted, secret, loc[at:])
        value, path = value[part], (*path, part)
        inner = _inner(wanted, part)
        if inner is None:  # an unknown field: its owner is what is wanted
            return _Spot(path, wanted, secret, loc[at + 1 :])
        wanted = _bare(inner)
    return _Spot(path, wanted, secret or _is_model(wanted, Secret), ())


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)


def _bare(annotation: Any) -> Any:
    """A type without Annotated, without None, and out of its alias."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            members = [m for m in get_args(annotation) if m is not types.NoneType]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        else:
            return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _is_model(annotation: Any, base: type[BaseModel] = BaseModel) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, base)


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """The members of a union by what stands in their field `kind`."""
    members = get_args(annotation) if _is_union(annotation) else (annotation,)
    models = [m for m in map(_bare, members) if _is_model(m) and "kind" in m.model_fields]
    return {str(kind): m for m in models for kind in get_args(m.model_fields["kind"].annotation)}


def _inner(annotation: Any, part: str | int) -> Any:
    """The type of one part of a model, a mapping or a tuple; None where a model has no such field."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return field.annotation if field is not None else None
    arguments = [a for a in get_args(annotation) if a is not Ellipsis]
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return arguments[1]
    if isinstance(origin, type) and issubclass(origin, Sequence) and arguments:
        return arguments[part] if isinstance(part, int) and part < len(arguments) else arguments[-1]
    return Any


def _field_names(model: Any) -> list[str]:
    return list(model.model_fields) if _is_model(model) else []


def _value_at(value: Any, path: Loc) -> Any:
    for part in path:
        value = value[part]
    return value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _dotted(path: Loc) -> str:
    """`spec.layers[2].kernel`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "document"
