"""What a whole application takes of a board: firmware as deployed, and the example fleet's model.

The model has the shapes, operators and features of specs/activity.yaml with made-up weights: what it takes does not
hang on their values. Nothing is trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from elftools.elf.elffile import ELFFile

from fakes.tflite import Tflite
from tinyops import firmware
from tinyops.artifacts import Progress, Step
from tinyops.boards.loader import load_catalog
from tinyops.build.steps import compile_settings, firmware_settings
from tinyops.compiler import image
from tinyops.compiler import run as run_compile
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import SOURCES
from tinyops.specs.locking import own_pins
from tinyops.specs.targets import fleet_targets
from tinyops.toolchain import installed

ROOT = Path(__file__).parents[2]
FLEET, MODEL = "wrist", "activity"
FEATURES = {
    "kind": "raw",
    "frame_values": 6,
    "window_frames": 40,
    "hop_frames": 10,
    "gain": [0.0002, 0.0003, 0.0004, 0.0005, 0.0006, 0.0007],
    "offset": [1971, -1123, -863, -9, 7, -10],
}


@dataclass(frozen=True)
class Footprint:
    """Bytes. `arena` is what the model uses of the firmware's; `stack` all that is set aside for it. `cryptography`,
    `settings` (a device's identity in flash) and `updates` (of images over SMP) are parts of `firmware` of which the
    promise on the runtime does not speak; all are 0 where the firmware is optimised as a whole."""

    board: str
    firmware: int
    cryptography: int
    settings: int
    updates: int
    model_code: int
    model_weights: int
    model_image: int
    static_ram: int
    arena: int
    stack: int

    @property
    def flash(self) -> int:
        """The whole application."""
        return self.firmware + self.model_image

    @property
    def ram(self) -> int:
        return self.static_ram + self.arena + self.stack

    @property
    def runtime(self) -> int:
        """Application, management, health and port: no model, whose kernels lie in its image, and neither of those."""
        return self.firmware - self.cryptography - self.settings - self.updates


def activity() -> bytes:
    """The example's network as its converter writes it."""
    rng, model = np.random.default_rng(1), Tflite()
    source = model.tensor((1, 40, 6), scale=0.1, zero_point=12)
    shape = model.tensor((4,), "int32", data=[1, 1, 40, 6])
    last = model.tensor((1, 1, 40, 6), scale=0.1, zero_point=12)
    model.operator("RESHAPE", [source, shape], [last], table="ReshapeOptions", newShape=[1, 1, 40, 6])
    width, channels, scale = 40, 6, 0.1
    for filters, taps, pooled in ((12, 5, True), (16, 3, True), (24, 3, False)):
        data = rng.integers(-127, 128, (filters, 1, taps, channels))
        weights = model.tensor(data.shape, scale=rng.uniform(0.002, 0.004, filters), data=data)
        bias = model.tensor((filters,), "int32", scale=scale * 0.003, data=rng.integers(-900, 900, filters))
        made = model.tensor((1, 1, width, filters), scale=0.09, zero_point=-128)
        same = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        options = {**same, "fusedActivationFunction": 1}
        model.operator("CONV_2D", [last, weights, bias], [made], table="Conv2DOptions", **options)
        last, channels, scale = made, filters, 0.09
        if pooled:
            width //= 2
            halves = {"padding": 1, "strideH": 1, "strideW": 2, "filterHeight": 1, "filterWidth": 2}
            last = model.tensor((1, 1, width, filters), scale=0.09, zero_point=-128)
            model.operator("MAX_POOL_2D", [made], [last], table="Pool2DOptions", **halves)
    return _classify(model, rng, source, last)


def _classify(model: Tflite, rng: np.random.Generator, source: int, last: int) -> bytes:
    shape = model.tensor((3,), "int32", data=[1, 10, 24])
    rows = model.tensor((1, 10, 24), scale=0.09, zero_point=-128)
    model.operator("RESHAPE", [last, shape], [rows], table="ReshapeOptions", newShape=[1, 10, 24])
    axis = model.tensor((), "int32", data=1)
    mean = model.tensor((1, 24), scale=0.07, zero_point=-128)
    model.operator("MEAN", [rows, axis], [mean], table="ReducerOptions", keepDims=False)
    weights = model.tensor((4, 24), scale=rng.uniform(0.004, 0.005, 4), data=rng.integers(-127, 128, (4, 24)))
    bias = model.tensor((4,), "int32", scale=0.0003, data=rng.integers(-900, 900, 4))
    classes = model.tensor((1, 4), scale=0.45, zero_point=46)
    model.operator("FULLY_CONNECTED", [mean, weights, bias], [classes], table="FullyConnectedOptions")
    output = model.tensor((1, 4), scale=1 / 256, zero_point=-128)
    model.operator("SOFTMAX", [classes], [output], table="SoftmaxOptions", beta=1.0)
    return model.build([source], [output])


def measure(board: str, folder: Path) -> Footprint:
    """Builds both in `folder`; PlatformIO's own folder is TINYOPS_CACHE's."""
    catalog = load_catalog(None)
    repository = load_repository(ROOT, catalog=catalog)
    spec = catalog[board].spec
    assert spec.layout is not None
    lock = {
        "compiler": {"name": spec.compiler, "version": installed(spec.compiler).version},
        "platformio": "6.2.0",
        "scons": "4.11.1",
        "firmware": own_pins().firmware,
        "sources": dict(SOURCES),
    }
    (folder / "int8.tflite").write_bytes(activity())
    (folder / "features.json").write_text(json.dumps(FEATURES))
    given = {name: folder / name for name in ("int8.tflite", "features.json")}
    compiled = _step(run_compile, "compile", compile_settings(repository, MODEL, catalog[board]), lock, given, folder)
    wanted = {"cpu": spec.cpu, "board": board, "slot_bytes": spec.layout.model[0].bytes}
    made = json.loads(_step(image.run, "image", wanted, lock, compiled, folder)["image.json"].read_text())
    squeeze = repository.models[MODEL].document.spec.squeeze
    fleet = firmware_settings(fleet_targets(repository.fleets[FLEET].document, squeeze)[board], catalog[board])
    facts = json.loads(json.dumps(_facts(fleet, lock, compiled, folder)))
    return Footprint(
        board=board,
        firmware=facts["flash_bytes"],
        cryptography=_bytes_of(folder / "firmware/firmware.elf", "sha256"),
        settings=_bytes_of(folder / "firmware/firmware.elf", "settings", "serve"),
        updates=_bytes_of(folder / "firmware/firmware.elf", *UPDATES),
        model_code=made["code_bytes"],
        model_weights=made["weights_bytes"],
        model_image=made["image_bytes"],
        static_ram=facts["static_ram_bytes"] - facts["arena_bytes"],
        arena=made["header"]["arena_bytes"],
        stack=facts["stack_bytes"],
    )


UPDATES = ("app_update", "app_attach_updates", "app_take_deltas", "images", "update", "delta", "updates")
# Functions of a part that other files call by a name without the usual prefix.
SERVED: Mapping[str, tuple[str, ...]] = {
    "sha256": (),
    "settings": (),
    "app_update": (
        "server_images",
        "server_set_image",
        "server_upload",
        "server_erase_image",
        "server_update",
        "server_end_trial",
    ),
}


def _bytes_of(elf: Path, *names: str) -> int:
    """What C files come to: their own symbols, which follow a file's name, and those that others call, by prefix."""
    total, file = 0, ""
    with elf.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            kind, binding = symbol["st_info"]["type"], symbol["st_info"]["bind"]
            if kind == "STT_FILE":
                file = symbol.name
            elif kind not in ("STT_FUNC", "STT_OBJECT"):
                continue
            elif symbol.name.startswith((*(f"tinyops_{name}" for name in names), *SERVED[names[0]])) or (
                binding == "STB_LOCAL" and file in [f"{name}.c" for name in names]
            ):
                total += symbol["st_size"]
    return total


def _facts(settings: Any, lock: Any, inputs: dict[str, Path], folder: Path) -> Any:
    out = folder / "firmware"
    out.mkdir()
    return firmware.run(Step("firmware", "f", settings, lock), inputs, out, _ignore)


def _step(run: Any, kind: str, settings: Any, lock: Any, inputs: dict[str, Path], folder: Path) -> dict[str, Path]:
    out = folder / kind
    out.mkdir()
    run(Step(kind, "m", settings, lock), inputs, out, _ignore)
    return {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}


def _ignore(_: Progress) -> None:
    pass
