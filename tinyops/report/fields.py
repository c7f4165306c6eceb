"""Tables of fields from the JSON Schema of the models: what editors check is what the reference says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinyops.files import JsonObject

_REF = "#/$defs/"
_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
# Patterns that have a name of their own; every other one is told by its field's description.
_PATTERNS = {
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$": "name",
    "^sha256:[0-9a-f]{64}$": 'digest, `"sha256:…"`',
    "^[A-Z][A-Z0-9_]*$": "SECRET_NAME",
}


def section(name: str, schema: JsonObject, *, level: int = 3) -> Iterator[str]:
    """Markdown lines of one model: heading, what it is, its fields."""
    yield f"{'#' * level} {name}"
    yield ""
    if schema.get("description"):
        yield one_line(schema["description"])
        yield ""
    yield from field_table(schema)
    yield ""


def field_table(schema: JsonObject) -> Iterator[str]:
    """A row a field: those that must be given first, as the schema orders them."""
    required = schema.get("required", [])
    properties: Mapping[str, JsonObject] = schema.get("properties", {})
    yield "| field | value | default | meaning |"
    yield "|---|---|---|---|"
    for name in sorted(properties, key=lambda n: n not in required):
        value = properties[name]
        default = "**required**" if name in required else default_text(value)
        meaning = one_line(value.get("description", ""))
        yield f"| `{name}` | {cell(type_text(value))} | {cell(default)} | {cell(meaning)} |"


def reachable(name: str, definitions: Mapping[str, JsonObject]) -> list[str]:
    """A model and all that its fields lead to, in the order in which a reader meets them."""
    found: list[str] = []
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current not in found:
            found.append(current)
            waiting += [n for n in _references(definitions[current]) if n not in found]
    return found


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].removeprefix(_REF)] if "$ref" in value else []
        return own + [n for key, v in value.items() if key != "discriminator" for n in _references(v)]
    if isinstance(value, list):
        return [n for item in value for n in _references(item)]
    return []


def type_text(schema: JsonObject) -> str:
    """What a field takes, in words, with links to the models that it takes."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            kinds = [type_text(kind) for kind in schema[union] if kind.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    return _CONTAINERS.get(schema.get("type", ""), _scalar)(schema)


def _array(schema: JsonObject) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(type_text(item) for item in schema["prefixItems"]) + "]"
    limit = _limits(schema.get("minItems"), schema.get("maxItems"))
    return f"list of {type_text(schema['items'])}{f' ({limit})' if limit else ''}"


def _object(schema: JsonObject) -> str:
    values = schema.get("additionalProperties")
    return f"mapping to {type_text(values)}" if isinstance(values, dict) else "mapping"


def _scalar(schema: JsonObject) -> str:
    if schema.get("pattern") in _PATTERNS:
        return _PATTERNS[schema["pattern"]]
    if schema.get("format") == "date":
        return '`"YYYY-MM-DD"`'
    text = _PLAIN.get(schema.get("type", ""), "anything")
    if "exclusiveMinimum" in schema:
        text += f" above {schema['exclusiveMinimum']:g}"
    if "exclusiveMaximum" in schema:
        text += f", below {schema['exclusiveMaximum']:g}"
    limit = _limits(schema.get("minimum"), schema.get("maximum"))
    return f"{text}, {limit}" if limit else text


_CONTAINERS = {"array": _array, "object": _object}


def _limits(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:,} to {high:,}" if low != high else f"{low:,}"
    if low is not None:
        return f"at least {low:,}" if low else ""
    return f"at most {high:,}" if high is not None else ""


def default_text(schema: JsonObject) -> str:
    """The default as YAML flow text; a nested model's is that model's own."""
    value = schema.get("default")
    if value is None or value == "" or value == {} or value == []:
        return "none"
    if isinstance(value, dict):
        return "its own defaults"
    return f"`{yaml_text(value)}`"


def yaml_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(yaml_text(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {yaml_text(item)}' for name, item in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def one_line(text: str) -> str:
    return " ".join(text.split())


def cell(text: str) -> str:
    """Text that may stand in a Markdown table."""
    return text.replace("|", "\\|")
