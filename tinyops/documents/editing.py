"""Editing YAML that people wrote: one value is set or taken away, every other byte stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from tinyops.errors import SpecError

Value: TypeAlias = "str | int | bool | Mapping[str, Value]"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]*[A-Za-z0-9]|[A-Za-z]")
_MEANS_ELSE = re.compile(r"(?i)null|true|false|yes|no|on|off|y|n|~")


def set_value(text: str, document: int, path: Sequence[str], value: Value) -> str:
    """The text with one value of its `document`-th document (from 0) set; mappings on the way must be there.

    Raises SpecError where the path leads through something that is no mapping.
    """
    owner = _owner(text, document, path)
    found = _entry(owner, path[-1])
    if found is not None:
        _, node = found
        return text[: node.start_mark.index] + _flow(value) + text[_end(text, node) :]
    return _added(text, owner, f"{path[-1]}: {_flow(value)}")


def remove_value(text: str, document: int, path: Sequence[str]) -> str:
    """The text without a key and its value; unchanged where there is no such key."""
    owner = _owner(text, document, path)
    found = _entry(owner, path[-1])
    if found is None:
        return text
    key, node = found
    start, end = key.start_mark.index, _end(text, node)
    if owner.flow_style:
        before, after = text[:start].rstrip(), text[end:].lstrip()
        if after.startswith(","):
            return text[:start] + after[1:].lstrip()
        return before.removesuffix(",") + text[end:]
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    return text[:line_start] + (text[line_end + 1 :] if line_end >= 0 else "")


def _owner(text: str, document: int, path: Sequence[str]) -> MappingNode:
    """The mapping that holds the last key of a path."""
    nodes = [*YAML(pure=True).compose_all(text)]
    node: Node = nodes[document]
    for name in path[:-1]:
        found = _entry(node, name) if isinstance(node, MappingNode) else None
        if found is None:
            raise SpecError(f"there is no {'.'.join(path[:-1])} to set {path[-1]} in")
        node = found[1]
    if not isinstance(node, MappingNode):
        raise SpecError(f"{'.'.join(path[:-1])} is no mapping", hint=f"edit it by hand: it must hold {path[-1]}")
    return node


def _entry(node: MappingNode, name: str) -> tuple[Node, Node] | None:
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _end(text: str, node: Node) -> int:
    """Where a value ends. A block's mark lies behind the comments and blank lines that follow it: they stay."""
    if not isinstance(node, MappingNode) or node.flow_style:
        return int(node.end_mark.index)
    _, last = node.value[-1]
    return _end(text, last)


def _added(text: str, owner: MappingNode, line: str) -> str:
    if owner.flow_style:
        at = int(owner.end_mark.index) - 1
        head = text[:at].rstrip()
        return f"{head}{'' if head.endswith('{') else ', '}{line}{text[at:]}"
    key, last = owner.value[-1]
    end = text.find("\n", _end(text, last))
    indent = " " * key.start_mark.column
    head = text if end < 0 else text[: end + 1]
    head += "" if head.endswith("\n") else "\n"
    return f"{head}{indent}{line}\n{text[len(text) if end < 0 else end + 1 :]}"


def _visible(character: str) -> str:
    """YAML takes no control characters, not even between quotes."""
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _flow(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and not _MEANS_ELSE.fullmatch(value)
        return value if plain else "".join(map(_visible, json.dumps(value, ensure_ascii=False)))
    return json.dumps(value)
