"""Rules for the variants of a model: what none can be made of, what would change nothing, who can teach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

from tinyops.documents import closest
from tinyops.documents.reading import Loc
from tinyops.files import JsonObject
from tinyops.specs.dataset import DatasetSpec
from tinyops.specs.entry_arguments import advice, takes
from tinyops.specs.faults import Fault
from tinyops.specs.layers import AutoencoderArchitecture, LayersArchitecture, PythonArchitecture, TfliteArchitecture
from tinyops.specs.model import ModelSpec
from tinyops.specs.rewriting import SIZES, shallower, widened
from tinyops.specs.squeeze import QUANTISED, VARIANTS_LIMIT, Squeeze, VariantGrid

VARIANTS: Loc = ("spec", "squeeze", "variants")
_PASSED = ("width", "depth")  # to a Python function


def variant_faults(spec: ModelSpec) -> Iterator[Fault]:
    """What is wrong with a model's variants by themselves: teachers and functions left out."""
    number = variant_count(spec.squeeze)
    if number > VARIANTS_LIMIT:
        message = f"{number:,} variants once lists are spread; there may be {VARIANTS_LIMIT}"
        yield Fault(VARIANTS, message, "shorten a list: fields with lists are multiplied", key=True)
        return
    yield from _repeated_names(spec.squeeze.variants)
    if isinstance(spec.architecture, TfliteArchitecture):
        yield from _finished_faults(spec.squeeze.variants)
        return
    for place, grid in enumerate(spec.squeeze.variants):
        yield from _idle_faults(spec, place, grid)
        if isinstance(spec.architecture, AutoencoderArchitecture) and grid.teacher is not None:
            message = "an autoencoder learns from windows, not from a teacher's classes"
            yield Fault((*VARIANTS, place, "teacher"), message, "remove it")


def variant_count(squeeze: Squeeze) -> int:
    """How many variants there are, none of them made: lists multiply fast."""
    return sum(prod(len(value) for _, value in grid if isinstance(value, tuple)) for grid in squeeze.variants)


def _repeated_names(grids: Sequence[VariantGrid]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for place, grid in enumerate(grids):
        for variant in grid.variants:
            first = seen.setdefault(variant.name, place)
            if first != place:
                yield Fault((*VARIANTS, place), f"{variant.name} is variants[{first}] already", "remove one of the two")
                break
        names = [variant.name for variant in grid.variants]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            yield Fault((*VARIANTS, place), f"{twice} comes of it twice", "each value of a list once")


def _finished_faults(grids: Sequence[VariantGrid]) -> Iterator[Fault]:
    for place, grid in enumerate(grids):
        for name in _special(grid):
            message = f"{name}: a finished .tflite has neither float weights nor training"
            hint = "remove it, or describe the model with kind: layers or kind: python"
            yield Fault((*VARIANTS, place, name), message, hint, key=True)


def _special(grid: VariantGrid) -> list[str]:
    """The fields that make one of the grid's variants other than the plain one."""
    plain = VariantGrid()
    return [name for name, value in grid if value != getattr(plain, name)]


# -- what would change nothing -----------------------------------------------------------------


def _idle_faults(spec: ModelSpec, place: int, grid: VariantGrid) -> Iterator[Fault]:
    architecture = spec.architecture.model_dump(mode="json")
    yield from _few_faults(place, grid)
    if isinstance(spec.architecture, PythonArchitecture):
        for name in _PASSED:
            if getattr(grid, name) != (1.0,) and name in spec.architecture.args:
                message = f"{name} is among the architecture's args: a variant passes a share by that name"
                yield Fault((*VARIANTS, place, name), message, "call the argument otherwise", key=True)
        return
    for name, rewrite in (("width", widened), ("depth", shallower)):
        for number, share in enumerate(getattr(grid, name)):
            if share != 1 and rewrite(architecture, share) == architecture:
                yield _idle(place, grid, name, number, _why(architecture, name, share))
    narrowest = shallower(widened(architecture, min(grid.width)), min(grid.depth))
    for number, share in enumerate(grid.prune_channels):
        if share and not any(int(size * share + 1e-9) for size in hidden_sizes(narrowest)):
            sizes = hidden_sizes(narrowest)
            why = f"no hidden layer has more than {max(sizes)}" if sizes else "no hidden layer has any"
            yield _idle(place, grid, "prune_channels", number, f"{share:g} of filters and units are none: {why}")


def _few_faults(place: int, grid: VariantGrid) -> Iterator[Fault]:
    """Of weights of few values, which are learnt with the rounding of int8."""
    kind = next((kind for kind in grid.weights if kind != "int8"), None)
    if kind is None:
        return
    if any(grid.quantisation_aware):
        message = f"quantisation_aware: weights of {kind} are learnt with all of its rounding already"
        hint = "remove it, or give it a variant of its own"
        yield Fault((*VARIANTS, place, "quantisation_aware"), message, hint, key=True)
    if grid.activations == "int16":
        message = f"activations: no kernel of int16 activations looks weights of {kind} up"
        yield Fault((*VARIANTS, place, "activations"), message, "leave one of the two out", key=True)


def _idle(place: int, grid: VariantGrid, name: str, number: int, why: str) -> Fault:
    listed = len(getattr(grid, name)) > 1
    loc: Loc = (*VARIANTS, place, name, number) if listed else (*VARIANTS, place, name)
    return Fault(loc, f"{name}: {why}", "remove it: the model would be the same")


def _why(architecture: JsonObject, name: str, share: float) -> str:
    if name == "depth":
        return "no layer repeats the shape of the one before it"
    sizes = hidden_sizes(architecture)
    if not sizes:
        return "no hidden layer has units or filters"
    return f"{share:g} of {max(sizes)} units or filters, rounded, are as many"


def hidden_sizes(architecture: JsonObject) -> list[int]:
    """Units and filters of the hidden layers."""
    if architecture["kind"] == "autoencoder":
        return [int(units) for units in architecture["units"]]
    return [int(layer[SIZES[layer["kind"]]]) for layer in architecture["layers"] if layer["kind"] in SIZES]


# -- teachers ----------------------------------------------------------------------------------


def teacher_faults(
    name: str,
    models: Mapping[str, ModelSpec],
    datasets: Mapping[str, DatasetSpec],
    may_exist: Callable[[str, str], bool],
) -> Iterator[Fault]:
    """What is wrong with the teachers of a model; `may_exist` says of kind and name whether it is reported already."""
    for place, grid in enumerate(models[name].squeeze.variants):
        if grid.teacher is None:
            continue
        loc: Loc = (*VARIANTS, place, "teacher")
        if grid.teacher in models:
            if grid.teacher == name and any(v.settings.keys() - QUANTISED == {"teacher"} for v in grid.variants):
                yield Fault(loc, "a model does not teach itself", "name a larger one, or make this variant smaller")
            else:
                yield from _teacher_faults(loc, name, grid.teacher, models, datasets)
        elif not may_exist("Model", grid.teacher):
            yield Fault(loc, f"there is no Model {grid.teacher!r}", closest(grid.teacher, models))


def _teacher_faults(
    loc: Loc, name: str, teacher: str, models: Mapping[str, ModelSpec], datasets: Mapping[str, DatasetSpec]
) -> Iterator[Fault]:
    own, other = models[name], models[teacher]
    if not isinstance(other.architecture, LayersArchitecture | PythonArchitecture):
        what = (
            "finished: it has no float model" if isinstance(other.architecture, TfliteArchitecture) else "no classifier"
        )
        yield Fault(loc, f"{teacher} is {what}", "name a model of kind layers or python")
    elif variant_count(other.squeeze) <= VARIANTS_LIMIT and all(v.trains for v in other.squeeze.all):
        yield Fault(loc, f"{teacher} itself is not made: all of its variants are others", f"add int8 to {teacher}'s")
    else:
        message = _unlike(own, other, datasets)
        if message:
            yield Fault(loc, f"{teacher} cannot teach this: {message}", "name one that is trained for the same task")


def _unlike(own: ModelSpec, other: ModelSpec, datasets: Mapping[str, DatasetSpec]) -> str:
    """Why two models are not about the same; empty when they are, or when it cannot be known."""
    mine, theirs = datasets.get(own.dataset or ""), datasets.get(other.dataset or "")
    if mine is None or theirs is None:
        return ""
    if tuple(mine.classes) != tuple(theirs.classes):
        return f"its classes are {_spoken(theirs.classes)}, not {_spoken(mine.classes)}"
    if mine.signal != theirs.signal:
        return f"its dataset {other.dataset} has another signal"
    for name in ("window_s", "hop_s"):
        wanted, found = getattr(own.input, name), getattr(other.input, name)
        if wanted != found:
            return f"its {name} is {_seconds(found)}, not {_seconds(wanted)}"
    return ""


def _spoken(classes: Sequence[str], limit: int = 4) -> str:
    more = f" and {len(classes) - limit} more" if len(classes) > limit else ""
    return ", ".join(classes[:limit]) + more


def _seconds(value: float | None) -> str:
    return "absent" if value is None else f"{value:g}"


# -- functions of the user ---------------------------------------------------------------------


def argument_faults(spec: ModelSpec, file: Path) -> Iterator[Fault]:
    """Variants that would pass to a Python function, which stands in that file, what it does not take."""
    if not isinstance(spec.architecture, PythonArchitecture):
        return
    entry: str = spec.architecture.entry.rpartition(":")[2]
    for place, grid in enumerate(spec.squeeze.variants):
        for name in _PASSED:
            if getattr(grid, name) != (1.0,) and not takes(file.read_bytes(), entry, name):
                yield Fault((*VARIANTS, place, name), f"{entry} takes no argument {name}", advice(name), key=True)
