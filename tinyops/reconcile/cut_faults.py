"""Chains whose model cannot be cut as the spec says, where that is known before a build: of a finished .tflite."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tinyops.documents.reading import Loc
from tinyops.errors import Problem, SpecError, ToolError
from tinyops.specs.chain import Chain
from tinyops.specs.layers import TfliteArchitecture
from tinyops.specs.loader import Loaded, Repository
from tinyops.specs.model import Fleet

_CUTS: Loc = ("spec", "split", "cuts")


def check_cuts(repository: Repository) -> None:
    """Raises SpecError with every cut, or chain, that its model has too few operators for."""
    if problems := [problem for entry in repository.fleets.values() for problem in _of_fleet(repository, entry)]:
        raise SpecError(problems)


def _of_fleet(repository: Repository, entry: Loaded[Fleet]) -> Iterator[Problem]:
    spec = entry.document.spec
    model = repository.models.get(spec.model_name)
    architecture = model.document.spec.architecture if model is not None else None
    if spec.chain is None or model is None or not isinstance(architecture, TfliteArchitecture):
        return
    from tinyops.graph import read_graph

    try:
        count = len(read_graph(repository.resolve(model, architecture.file)).operators)
    except (SpecError, ToolError):  # the build says what is wrong with the file
        return
    cuts = spec.split.cuts if spec.split is not None else "auto"
    if cuts == "auto":
        yield from _too_many_parts(repository, entry, spec.chain, count)
        return
    for number, (before, cut) in enumerate(pairwise((0, *cuts))):
        if cut >= count:
            what = f"a cut at {cut} leaves nothing behind it: the model has {count} operators, from 0 to {count - 1}"
            hint = f"cut before operator {before + 1} to {count - 1}, or cuts: auto"
            hint = hint if before + 1 < count else "give fewer parts, or cuts: auto"
            yield repository.problem_at("Fleet", entry.document.name, (*_CUTS, number), what, hint)
            return


def _too_many_parts(repository: Repository, entry: Loaded[Fleet], chain: Chain, count: int) -> Iterator[Problem]:
    if len(chain.parts) > count:
        what = f"part {chain.parts[count].name!r} has nothing to compute: the model has {count} operators"
        loc: Loc = ("spec", "chain", "parts", count, "name")
        yield repository.problem_at("Fleet", entry.document.name, loc, what, f"at most {count} parts")
