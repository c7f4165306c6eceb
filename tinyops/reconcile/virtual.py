"""The released files of a board: what its twin was proven with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Artifact, Step
from tinyops.errors import RemoteError, UsageError
from tinyops.reconcile.apply import fetcher
from tinyops.reconcile.world import World


@dataclass(frozen=True)
class ReleasedBoard:
    """One board of a fleet, as the last release has it."""

    fleet: str
    tag: str
    files: dict[str, Path]


def released_board(world: World, board: str, fleet: str | None) -> ReleasedBoard:
    """The files of a board, of a fleet or of the only one that has it. Raises UsageError and RemoteError."""
    having = sorted(name for name, spec in world.fleets.items() if board in spec.spec.targets)
    named = ", ".join(having) or "none"
    if fleet is not None and fleet not in having:
        if fleet in world.fleets and world.fleets[fleet].spec.chain is not None:
            raise UsageError(f"fleet {fleet!r} is a chain: no board of it runs alone", hint=f"`tinyops twin {fleet}`")
        raise UsageError(f"fleet {fleet!r} has no board {board!r}", hint=f"fleets with it: {named}")
    if fleet is None and len(having) != 1:
        hint = f"--fleet, one of {named}" if having else "name a .tflite: it is built for any board"
        raise UsageError(f"{len(having) or 'no'} fleets have a board {board!r}", hint=hint)
    chosen = fleet or having[0]
    step = next(step for step in world.steps if step.id == f"twin:{chosen}/{board}")
    if world.manifest is None or step.id not in world.released_records:
        raise UsageError(f"{chosen}: {board} is in no release", hint="`tinyops apply` makes one; or name a .tflite")
    return ReleasedBoard(chosen, world.manifest.tag, _fetch(world, step))


@dataclass(frozen=True)
class ReleasedChain:
    """A fleet's chain, as the last release has it: its step, and the files that the step reads."""

    tag: str
    step: Step
    files: dict[str, Path]


def released_chain(world: World, fleet: str) -> ReleasedChain:
    """The files of all parts. Raises UsageError for a fleet without a chain, and RemoteError."""
    chains = sorted(step.subject for step in world.steps if step.kind == "chain")
    step = next((step for step in world.steps if step.id == f"chain:{fleet}"), None)
    if step is None:
        hint = f"fleets with one: {', '.join(chains)}" if chains else "give a fleet a `chain` in place of `boards`"
        raise UsageError(f"{fleet}: neither a board of the catalogue nor a fleet with a chain", hint=hint)
    if world.manifest is None or step.id not in world.released_records:
        raise UsageError(f"{fleet}: its chain is in no release", hint="`tinyops apply` makes one")
    return ReleasedChain(world.manifest.tag, step, _fetch(world, step))


def _fetch(world: World, step: Step) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, ref in step.inputs.items():
        for file, artifact in ref.files(name, world.released_records[ref.step].outputs).items():
            found[file] = _path(world, file, artifact)
    return found


def _path(world: World, name: str, artifact: Artifact) -> Path:
    path = world.store.find(artifact) or fetcher(world, world.store)(artifact)
    if path is None:
        said = f"{name}: neither the store nor the release holds {artifact.digest[:19]}"
        raise RemoteError(said, hint="`tinyops apply` makes it again")
    return path
