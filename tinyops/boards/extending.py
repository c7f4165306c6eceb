"""A board that says `extends`: the other's spec with its own laid over it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

from tinyops.documents import YamlDocument, closest
from tinyops.errors import Problem

EXTENDS = "extends"
DEPTH_LIMIT = 8


def merge_bases(
    document: YamlDocument, documents: Mapping[str, YamlDocument], broken: Set[str]
) -> YamlDocument | list[Problem]:
    """The document with everything that it inherits; places stay its own.

    A fault in what is inherited is shown where the document comes nearest to it. `broken` are the names of boards
    whose faults are reported already: what extends one of them has none of its own.
    """
    chain = [document]
    names: list[str] = [_name(document)]
    while (base := chain[-1].value.get(EXTENDS)) is not None:
        if not isinstance(base, str):
            break  # validation says so
        if base in broken:
            return []
        problem = _base_problem(document, base, names, documents)
        if problem is not None:
            return [problem]
        chain.append(documents[base])
        names.append(base)
    if len(chain) == 1:
        return document
    if not document.value.get("spec"):
        return [document.problem(("spec",), f"changes nothing of {names[1]}", "write the facts that differ")]
    spec: Any = chain[-1].value.get("spec")
    for part in reversed(chain[:-1]):
        spec = merged(spec, part.value.get("spec", {}))
    if isinstance(spec, dict):
        spec["silicon"] = _own_silicon(document, names[1], spec.get("silicon"))
    return replace(document, value={**document.value, "spec": spec})


def _own_silicon(document: YamlDocument, base: str, inherited: Any) -> Any:
    """That another board ran is no proof for this one: of what is inherited, only the figures without a source stay."""
    spec = document.value.get("spec")
    own = spec.get("silicon") if isinstance(spec, dict) else None
    if own is not None:
        return own
    note = f"takes over the facts of {base}; never run on the board itself"
    unsourced = inherited.get("unsourced", []) if isinstance(inherited, dict) else []
    return {"run": False, "note": note, "unsourced": unsourced}


def _name(document: YamlDocument) -> str:
    return str(document.value["metadata"]["name"])


def _base_problem(
    document: YamlDocument, base: str, names: list[str], documents: Mapping[str, YamlDocument]
) -> Problem | None:
    """Why the last of `names` cannot extend `base`, shown at the document's own `extends`."""
    loc = (EXTENDS,)
    if base in names:
        circle = " -> ".join([*names, base])
        return document.problem(loc, f"boards extend each other in a circle: {circle}", "let one of them stand alone")
    if base not in documents:
        owner = "" if len(names) == 1 else f" (by {names[-1]}, which this one builds on)"
        return document.problem(loc, f"extends: no board {base!r} in the catalogue{owner}", closest(base, documents))
    if len(names) > DEPTH_LIMIT:
        return document.problem(loc, f"more than {DEPTH_LIMIT} boards extend each other in a row")
    return None


def merged(base: Any, over: Any) -> Any:
    """`over` laid over `base`: mappings by key, to any depth; anything else replaces what was there."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    return {**base, **{key: merged(base[key], value) if key in base else value for key, value in over.items()}}
