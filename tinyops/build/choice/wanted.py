"""The steps of a search, as the specs want them: pure. Every variant is trained, quantised, and measured on each board;
where a search is not needed, all but the first wait for what `fits` says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tinyops.artifacts import ALL_OUTPUTS, FACTS, Condition, InputRef, Step
from tinyops.boards.model import Board
from tinyops.build.choice.measure import MODEL_INPUTS, PARTS
from tinyops.build.choice.step import MODEL_FILES
from tinyops.build.fits import model_room
from tinyops.build.measurements import FOLDER, read_factor
from tinyops.files import JsonObject
from tinyops.specs.loader import Repository
from tinyops.specs.model import Fleet, Model
from tinyops.specs.squeeze import Variant
from tinyops.specs.targets import Target, chooses, fleet_targets

REVISIONS = {"cost": 1, "fits": 2, "choose": 2}  # raised when what these steps do changes
_GUIDED = ("accuracy_min", "recall_min", "int8_loss_max")  # gates of a model that figures of a variant can miss


@dataclass(frozen=True)
class Place:
    """A board of a fleet that gets a variant of its own. `kind` names what costs are shared by: the board, and what its
    firmware is made with where the fleet says so."""

    fleet: Fleet
    target: Target
    board: Board

    @property
    def kind(self) -> str:
        framework = self.target.binding.framework
        return f"{self.target.board}.{framework}" if framework is not None else self.target.board


Parts = Callable[[Place], Iterable[Step]]  # compile, image, firmware and twin, as a release has them


def taught_by(models: Iterable[Model]) -> frozenset[str]:
    """The steps that distillation reads: they are made whatever a search says of their own model."""
    return frozenset(f"train:{v.teacher}" for model in models for v in model.spec.squeeze.all if v.teacher)


def as_searched(model: Model, steps: Iterable[Step], taught: Collection[str]) -> Iterator[Step]:
    """The train and squeeze steps of a model, those of its first variant first: that one of them cannot be done is no
    reason to stop, and all but the first variant's wait where a search has to be needed."""
    condition = _condition(model)
    waits = False
    for step in steps:
        yield replace(step, fallible=True, condition=condition if waits and step.id not in taught else None)
        waits |= step.kind == "squeeze"


def choice_steps(repository: Repository, model: Model, catalog: Mapping[str, Board], parts: Parts) -> Iterator[Step]:
    """What a search adds to the steps of its variants: costs, whether it is needed, and a choice for each board."""
    places = [*_places(repository, model, catalog)]
    kinds = {place.kind: place for place in reversed(places)}  # the first fleet's firmware stands for all
    settings = {f"{p.fleet.name}/{p.target.name}": _budget(repository, model, p) for p in places}
    variants = model.spec.squeeze.all
    needed = _condition(model)
    for number, variant in enumerate(variants):
        for place in kinds.values():
            yield _cost_step(model, variant, place, parts, needed if number else None)
    if needed is not None:
        yield _fits_step(model, variants[0], places, settings)
    for place in places:
        yield _choose_step(model, place, settings[f"{place.fleet.name}/{place.target.name}"], needed)


def _condition(model: Model) -> Condition | None:
    return Condition(f"fits:{model.name}", "searched") if model.spec.squeeze.search == "needed" else None


def _places(repository: Repository, model: Model, catalog: Mapping[str, Board]) -> Iterator[Place]:
    for entry in repository.fleets.values():
        fleet = entry.document
        if fleet.spec.model_name == model.name and chooses(fleet, model.spec.squeeze):
            for target in fleet_targets(fleet, model.spec.squeeze).values():
                yield Place(fleet, target, catalog[target.board].built_with(target.binding.framework))


def _budget(repository: Repository, model: Model, place: Place) -> JsonObject:
    """What a variant has to keep on a board, as the settings of the steps that compare with it."""
    layout = place.board.spec.layout
    gates = place.fleet.spec.gates.under(place.target.binding.gates)
    limits = gates.model_dump(mode="json", exclude_none=True, exclude={"growth_max"})
    wanted = model.spec.gates.model_dump(mode="json", exclude_defaults=True, include=set(_GUIDED))
    settings: JsonObject = {"board": place.board.name, "gates": limits, "model_gates": wanted}
    if layout is not None:
        settings |= {"model_room_bytes": model_room(place.board), "arena_room_bytes": layout.arena_bytes}
    if gates.latency_ms_max is not None:
        factor = read_factor(repository.root / FOLDER, place.board.name)
        settings["ms_an_instruction"] = factor.milliseconds(1) if factor is not None else None
    return settings


def _cost_step(model: Model, variant: Variant, place: Place, parts: Parts, condition: Condition | None) -> Step:
    """On one board: as a release would build and run it, with the firmware of the first fleet that has the board."""
    squeezed = f"squeeze:{model.name}/{variant.name}"
    target = replace(place.target, model_step=squeezed, compiled=f"{model.name}/{place.kind}")
    steps = {step.kind: step for step in parts(replace(place, target=target))}
    linked = "image" not in steps
    own = [kind for kind in PARTS if kind in steps and (linked or kind != "firmware")]
    inputs = {name: InputRef(squeezed, name) for name in MODEL_INPUTS}
    if not linked:
        inputs["firmware"] = InputRef(steps["firmware"].id, ALL_OUTPUTS)
    settings = {**{kind: steps[kind].settings for kind in own}, "revision": REVISIONS["cost"]}
    lock = {"parts": {kind: steps[kind].lock for kind in own}}
    subject = f"{model.name}/{variant.name}/{place.kind}"
    return Step("cost", subject, settings, lock, inputs, condition=condition, fallible=True)


def _fits_step(model: Model, first: Variant, places: Iterable[Place], settings: Mapping[str, JsonObject]) -> Step:
    inputs = {"squeeze": InputRef(f"squeeze:{model.name}/{first.name}", FACTS)}
    for place in places:
        cost = f"cost:{model.name}/{first.name}/{place.kind}"
        inputs[f"{place.fleet.name}/{place.target.name}"] = InputRef(cost, FACTS)
    return Step(
        "fits",
        model.name,
        {"variant": first.name, "targets": dict(settings), "revision": REVISIONS["fits"]},
        {},
        inputs,
    )


def _choose_step(model: Model, place: Place, settings: JsonObject, needed: Condition | None) -> Step:
    squeeze = model.spec.squeeze
    names = [variant.name for variant in squeeze.all]
    inputs = {"fits": InputRef(needed.step, FACTS)} if needed is not None else {}
    for name in names:
        squeezed = f"squeeze:{model.name}/{name}"
        inputs[f"{name}/squeeze"] = InputRef(squeezed, FACTS)
        inputs[f"{name}/cost"] = InputRef(f"cost:{model.name}/{name}/{place.kind}", FACTS)
        inputs |= {f"{name}/{file}": InputRef(squeezed, file, optional=True) for file in MODEL_FILES}
    wanted = {
        "variants": names,
        "prefer": squeeze.prefer,
        "loss_max": squeeze.loss_max,
        "revision": REVISIONS["choose"],
    }
    return Step("choose", f"{place.fleet.name}/{place.target.name}", settings | wanted, {}, inputs)
