"""What a user's Python function takes, read from its source: nothing of it is run."""

from __future__ import annotations

import ast

from tinyops.errors import SpecError


def takes(source: bytes, entry: str, name: str) -> bool:
    """Whether the function has an argument of that name; True also where the source does not tell."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True  # training says what is wrong, with the line
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    if not found or found[-1].decorator_list:
        return True
    arguments = found[-1].args
    return arguments.kwarg is not None or name in [a.arg for a in (*arguments.args, *arguments.kwonlyargs)]


def untaken(entry: str, name: str) -> SpecError:
    """The error of a function that lacks the argument."""
    return SpecError(f"{entry}: takes no argument {name}, which a variant passes to it", hint=advice(name))


def advice(name: str) -> str:
    what = "units and filters" if name == "width" else "repeated layers"
    return f"write `{name}: float = 1.0` among its arguments, and make that share of the {what}"
