"""What is made for each target of a fleet, by the names of its steps. Pure: follows from the specs alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinyops.specs.loader import Repository
from tinyops.specs.model import BoardBinding, Fleet
from tinyops.specs.squeeze import PLAIN, Squeeze

Targets = Mapping[str, Mapping[str, "Target"]]  # by fleet, then by target


@dataclass(frozen=True)
class Target:
    """A kind of board in a fleet, called as in the catalogue, or a part of its chain, called as the spec does.

    `model_step` makes what is compiled for it (`int8.tflite` with `features.json`, `golden.bin` and, where frames come
    in, `stream.bin`); the facts of `measured_step` say how accurate the model is. Both are a `choose` step where each
    board gets a variant of its own. `compiled` is the subject of its compile and image steps: shared by fleets where
    the model is the same for all.
    """

    fleet: str
    name: str
    board: str
    binding: BoardBinding
    model: str
    model_step: str
    measured_step: str
    compiled: str

    @property
    def subject(self) -> str:
        """Of its firmware and its twin."""
        return f"{self.fleet}/{self.name}"

    @property
    def compile_step(self) -> str:
        return f"compile:{self.compiled}"

    @property
    def image_step(self) -> str:
        return f"image:{self.compiled}"

    @property
    def firmware_step(self) -> str:
        return f"firmware:{self.subject}"

    @property
    def twin_step(self) -> str:
        return f"twin:{self.subject}"

    @property
    def chain_step(self) -> str | None:
        """That runs it together with the other parts of its chain."""
        return f"chain:{self.fleet}" if self.model_step.startswith("part:") else None


def fleet_targets(fleet: Fleet, squeeze: Squeeze) -> dict[str, Target]:
    """The targets of a fleet by name, in the spec's order; `squeeze` is that of its model."""
    spec = fleet.spec
    targets = {}
    for name, binding in spec.targets.items():
        subject = spec.subject_of(name)
        shared = f"squeeze:{subject}/{PLAIN if spec.is_pinned else squeeze.all[0].name}"
        model, measured = shared, shared
        if spec.chain is not None:
            model = f"part:{fleet.name}/{name}"
        elif chooses(fleet, squeeze):
            model = measured = f"choose:{fleet.name}/{name}"
        compiled = f"{subject}/{name}" if model == shared else f"{subject}.{fleet.name}/{name}"
        targets[name] = Target(fleet.name, name, spec.board_of(name), binding, subject, model, measured, compiled)
    return targets


def chooses(fleet: Fleet, squeeze: Squeeze) -> bool:
    """Whether each board of a fleet gets a variant of its own: neither a pinned model nor that of a chain is chosen."""
    return squeeze.searches and fleet.spec.chain is None and not fleet.spec.is_pinned


def all_targets(repository: Repository) -> Targets:
    """Of every fleet."""
    fleets = {name: entry.document for name, entry in repository.fleets.items()}
    models = {name: entry.document.spec.squeeze for name, entry in repository.models.items()}
    return {name: fleet_targets(fleet, models[fleet.spec.model_name]) for name, fleet in fleets.items()}
