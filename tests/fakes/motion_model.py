"""A model of motion with features of its own, built for any board, and what the host makes of the same counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakes.firmware_edits import as_rendered, build_edited
from fakes.reversing import board_spec
from fakes.staged import staged
from fakes.tflite import dense
from tinyops import compiler
from tinyops.artifacts import Progress, Step
from tinyops.build.reference import reference_outputs
from tinyops.compiler import image
from tinyops.features import StagedFeatures
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.features.stages import Filter, Statistics
from tinyops.files import JsonObject
from tinyops.specs.lock import SOURCES
from tinyops.specs.locking import own_pins
from tinyops.toolchain import installed

WINDOW, HOP = 40, 10
SCALE, ZERO_POINT = 0.5, 3  # of the input of `dense`
STREAM: JsonObject = {"kind": "stream", "port": "serial"}


def silent(_: Progress) -> None:
    pass


@dataclass(frozen=True)
class MotionModel:
    """A signal's model, in a folder of its own: a high pass, statistics of 20 samples, a fully connected layer."""

    folder: Path
    signal: dict[str, Any]

    @property
    def features(self) -> StagedFeatures:
        rate_hz, channels = self.signal["rate_hz"], len(self.signal["channels"])
        stages = (Filter("high", 1, (rate_hz * 0.03,)), Statistics(20, 10, ("mean", "deviation", "maximum")))
        plain = staged(*stages, rate_hz=rate_hz, channels=channels, frames=(WINDOW, HOP))
        return type(plain)(**{**vars(plain), "gain": (0.004,) * plain.row_values})

    @property
    def tflite(self) -> Path:
        path = self.folder / "int8.tflite"
        if not path.exists():
            path.write_bytes(dense(4, self.features.window_values).build([0], [3]))
            (self.folder / "features.json").write_text(json.dumps(self.features.to_json()))
        return path

    def build(self, board: str, sensor: JsonObject = STREAM) -> dict[str, Path]:
        """What the board's twin boots: its firmware, the model in its slot."""
        spec, tool = board_spec(board), installed(board_spec(board).compiler)
        lock: JsonObject = {"compiler": {"name": tool.name, "version": tool.version}}

        def run(function: Any, kind: str, settings: JsonObject, inputs: dict[str, Path]) -> dict[str, Path]:
            out = self.folder / board / kind
            out.mkdir(parents=True)
            function(Step(kind, board, settings, lock), inputs, out, silent)
            return {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}

        settings = {"cpu": spec.cpu, "board": board, "classes": list("abcd"), "signal": self.signal}
        given = {"int8.tflite": self.tflite, "features.json": self.folder / "features.json"}
        compiled = run(compiler.run, "compile", settings | {"arena_bytes": spec.layout.arena_bytes}, given)
        slot = {"cpu": spec.cpu, "board": board, "slot_bytes": spec.layout.model[0].bytes}
        built = run(image.run, "image", slot, compiled)
        lock |= {"platformio": "6.2.0", "scons": "4.11.1", "firmware": own_pins().firmware, "sources": dict(SOURCES)}
        contract = {"contract.json": compiled["contract.json"]}

        def firmware(step: Step, inputs: dict[str, Path], out: Path, _: Any) -> None:
            build_edited(step, inputs, out, as_rendered)

        asked = {"board": board, "fleet": "wrist", "sensor": sensor, "facts": spec.model_dump(mode="json")}
        return run(firmware, "firmware", asked, contract) | built | contract

    def results(self, counts: NDArray[np.int16]) -> list[bytes]:
        """What this machine makes of the same counts: the features' own C, then tflite-micro."""
        made = self.features
        rows = quantise_rows(extract_rows(counts, made), made, SCALE, ZERO_POINT)
        windows = [rows[n * made.hop_rows :][: made.rows] for n in range((len(counts) - WINDOW) // HOP + 1)]
        (outputs,) = reference_outputs(self.tflite, (np.stack(windows).reshape(len(windows), 1, -1),), 1)
        return [bytes(output) for output in outputs]
