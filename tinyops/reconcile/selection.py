"""Which fleets `--only` means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tinyops.documents import closest
from tinyops.errors import UsageError
from tinyops.plan import Wish
from tinyops.plan.diff import NOT_ASKED
from tinyops.specs.loader import Repository
from tinyops.specs.model import Fleet

KINDS = ("fleet", "model", "dataset")


def wish_of(repository: Repository, *, replace: Iterable[str], only: Iterable[str]) -> Wish:
    """What a command line asks for beside the specs. Raises UsageError."""
    return Wish(frozenset(replace), chosen_fleets(repository, only))


def standing(fleets: Mapping[str, Fleet], wish: Wish) -> dict[str, str]:
    """The fleets that stay as they are released, and why: suspended, or not asked for."""
    still = {n: f"suspended: {f.spec.suspended.reason}" for n, f in fleets.items() if f.spec.suspended is not None}
    return still | {name: NOT_ASKED.field for name in fleets if wish.leaves_out(name)}


def chosen_fleets(repository: Repository, names: Iterable[str]) -> frozenset[str]:
    """The fleets that some names stand for: `wrist`, `fleet:wrist`, `model:activity`, `dataset:motions`.

    A model stands for every fleet that runs it, a dataset for every fleet whose model learns from it.
    Raises UsageError for a name that nothing has, and for one that no fleet uses.
    """
    found: set[str] = set()
    for name in names:
        fleets = {*_fleets_of(repository, name)}
        if not fleets:
            raise UsageError(f"--only {name}: no fleet uses it", hint="`tinyops apply` releases what fleets run")
        found |= fleets
    return frozenset(found)


def _fleets_of(repository: Repository, name: str) -> Iterator[str]:
    kind, _, subject = name.rpartition(":")
    kind = kind or "fleet"
    if kind not in KINDS:
        raise UsageError(f"--only {name}: no such kind", hint=f"kinds: {', '.join(KINDS)}")
    known = {"fleet": repository.fleets, "model": repository.models, "dataset": repository.datasets}[kind]
    if subject not in known:
        raise UsageError(f"--only {name}: there is no {kind} {subject!r}", hint=closest(subject, known))
    for fleet, entry in repository.fleets.items():
        model = entry.document.spec.model_name
        dataset = repository.models[model].document.spec.dataset
        if subject == {"fleet": fleet, "model": model, "dataset": dataset}[kind]:
            yield fleet
