"""The cost step: what a variant takes on one board. It is compiled, linked and run there as a release would be, by the
steps' own functions, and nothing of it is kept but the figures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import BoardSpec
from tinyops.build.runners import run_here
from tinyops.errors import DoesNotFit
from tinyops.files import MIB, JsonObject, read_bounded

MODEL_INPUTS = ("int8.tflite", "features.json", "golden.bin")
PARTS = ("compile", "image", "firmware", "twin")  # what a cost step is made of; image or firmware may be missing

Report = Callable[[Progress], None]


def cost(step: Step, inputs: Mapping[str, Path], _out: Path, report: Report) -> JsonObject:
    """Facts: bytes of model image, arena and stack, flash and RAM of all there is, instructions; `unfit` says why the
    board cannot hold it, `proof` how far the figures are those of the board. Writes no files.

    Inputs are those of squeeze, and the files of a firmware where no model is linked into one. Raises SpecError for a
    model that the compiler refuses, ToolError for what fails.
    """
    with tempfile.TemporaryDirectory(prefix="tinyops-cost-") as folder:
        making = _Making(step, inputs, Path(folder), report)
        try:
            return _measured(making)
        except DoesNotFit as error:
            return _unfit(making, error)


@dataclass(frozen=True)
class _Making:
    """One variant under way on one board."""

    step: Step
    inputs: Mapping[str, Path]
    folder: Path
    report: Report

    def has(self, kind: str) -> bool:
        return kind in self.step.settings

    def run(self, kind: str, inputs: Mapping[str, Path], **changed: object) -> tuple[JsonObject, dict[str, Path]]:
        """Facts and files of one of its parts, with some of its settings changed."""
        out = self.folder / "-".join([kind, *changed])
        out.mkdir()
        settings = {**self.step.settings[kind], **changed}
        facts = run_here(
            Step(kind, self.step.subject, settings, self.step.lock["parts"][kind]), inputs, out, self.report
        )
        return facts, {p.relative_to(out).as_posix(): p for p in sorted(out.rglob("*")) if p.is_file()}


def _measured(making: _Making) -> JsonObject:
    model = {name: making.inputs[name] for name in MODEL_INPUTS if name in making.inputs}
    compiled, sources = making.run("compile", model)
    found: JsonObject = {"arena_bytes": compiled["arena_bytes"], "image_bytes": None, "unfit": ""}
    files = {name: path for name, path in making.inputs.items() if name not in MODEL_INPUTS}
    if making.has("image"):
        built, image = making.run("image", sources)
        found["image_bytes"] = built["image_bytes"]
        files |= image
    if making.has("firmware"):  # the model is linked into it
        _, firmware = making.run("firmware", sources)
        files |= firmware
    spec = BoardSpec.model_validate(making.step.settings["twin"]["facts"])
    if spec.twin.kind == "none":
        return found | _estimated(compiled, sources)
    described = {name: sources[name] for name in ("contract.json", "compile.json")}
    proven, _ = making.run("twin", {**files, **described, "golden.bin": model["golden.bin"]})
    if proven["flash_bytes"] is None:
        return found | _estimated(compiled, sources)
    if found["image_bytes"] is None:
        found["image_bytes"] = proven["flash_bytes"]
    figures = {name: proven[name] for name in ("flash_bytes", "ram_bytes", "stack_bytes", "instructions")}
    return found | figures | {"proof": proven["proof"]["model"]}


def _estimated(compiled: JsonObject, sources: Mapping[str, Path]) -> JsonObject:
    """Where nothing runs the board's code: weights and arena, and the compiler's own prediction of instructions."""
    layers = json.loads(read_bounded(sources["compile.json"], 64 * MIB))["layers"]
    predicted = [layer.get("predicted_instructions") for layer in layers]
    return {
        "flash_bytes": compiled["weights_bytes"],
        "ram_bytes": compiled["arena_bytes"],
        "stack_bytes": None,
        "instructions": None if None in predicted else sum(predicted),
        "proof": "compiled",
    }


def _unfit(making: _Making, error: DoesNotFit) -> JsonObject:
    """What is known of a variant that is too large: by how much, and how large it would be without limits."""
    found: JsonObject = dict.fromkeys(("flash_bytes", "ram_bytes", "stack_bytes", "instructions"))
    found |= {"arena_bytes": error.arena_bytes, "image_bytes": error.image_bytes or error.firmware_bytes}
    found |= {"unfit": error.message.splitlines()[0], "proof": "compiled"}
    if error.image_bytes is None and error.firmware_bytes is None and making.has("image"):
        model = {name: making.inputs[name] for name in MODEL_INPUTS if name in making.inputs}
        compiled, sources = making.run("compile", model, arena_bytes=None)
        built, _ = making.run("image", sources, slot_bytes=None)
        found["image_bytes"] = built["image_bytes"]
        found["arena_bytes"] = error.arena_bytes or compiled["arena_bytes"]
    elif found["arena_bytes"] is None and (making.folder / "compile" / "compile.json").exists():
        described = json.loads(read_bounded(making.folder / "compile" / "compile.json", 64 * MIB))
        found["arena_bytes"] = described["arena_bytes"]
    return found
