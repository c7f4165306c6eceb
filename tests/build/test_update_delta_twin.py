"""A trained model's next version as a delta, by `tinyops update` to an emulated Nano 33 BLE: its own bootloader, its
firmware, its serial line. And a firmware that was linked for the other slot."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

from fakes.interpreter import Interpreter
from fakes.pty_board import port_of
from fakes.reversing import board_spec, build_firmware
from fakes.tflite import Tflite
from fakes.updatable import Live, Updatable, digest_of
from tinyops.artifacts import Step
from tinyops.cli import main
from tinyops.compiler import image, run
from tinyops.images import Kind
from tinyops.images.delta import make_delta
from tinyops.link import Link, Tensor
from tinyops.manifest.keys import SigningKey
from tinyops.toolchain import installed

pytestmark = pytest.mark.build
BOARD = "nano33ble"
LAYERS = ((64, 200), (200, 48), (48, 8))
SHARE = {"model": 0.6, "firmware": 0.05}  # of the image, at most


def network(moved: float) -> bytes:
    """Three dense layers whose weights, since the first training, moved by so much."""
    model, rng, moves = Tflite(), np.random.default_rng(1), np.random.default_rng(2)
    given = model.tensor((1, LAYERS[0][0]), scale=0.05, zero_point=0)
    source = given
    for inputs, outputs in LAYERS:
        weights = rng.integers(-100, 101, (outputs, inputs)) + np.rint(moves.normal(0, moved, (outputs, inputs)))
        kernel = model.tensor((outputs, inputs), scale=0.01, data=weights.astype(int))
        bias = model.tensor((outputs,), "int32", scale=0.0005, data=rng.integers(-99, 99, outputs))
        made = model.tensor((1, outputs), scale=0.3, zero_point=0)
        model.operator("FULLY_CONNECTED", [source, kernel, bias], [made], table="FullyConnectedOptions")
        source = made
    return model.build([given], [source])


class Trained(Updatable):
    """A board whose firmware is for the network above."""

    def __init__(self, folder: Path) -> None:
        self.board, self.device, self.folder, self.spec = BOARD, "w-1", folder, board_spec(BOARD)
        self.key, self.other_key = SigningKey.generate(), SigningKey.generate()
        self.bodies = [self._compiled(network(moved), folder / str(moved)) for moved in (0, 2)]
        self.contract = json.loads((folder / "0/c/contract.json").read_text())
        self.contract_digest = bytes.fromhex(self.facts["contract"].removeprefix("sha256:"))
        self.files = build_firmware(BOARD, folder, self.contract)

    def _compiled(self, model: bytes, folder: Path) -> bytes:
        for name in ("c", "i"):
            (folder / name).mkdir(parents=True)
        (folder / "in.tflite").write_bytes(model)
        assert self.spec.layout is not None
        settings = {"cpu": self.spec.cpu, "board": BOARD, "prefer": "balanced"}
        step = Step("compile", "m", {**settings, "arena_bytes": self.spec.layout.arena_bytes})
        self.facts = run(step, {"int8.tflite": folder / "in.tflite"}, folder / "c", lambda p: None)
        files = {p.relative_to(folder / "c").as_posix(): p for p in (folder / "c").rglob("*") if p.is_file()}
        tool = installed("arm-none-eabi-gcc")
        lock = {"compiler": {"name": tool.name, "version": tool.version}}
        image.run(Step("image", "m", {**settings, "slot_bytes": None}, lock), files, folder / "i", lambda p: None)
        return (folder / "i/model.bin").read_bytes()


def infer(live: Live, given: bytes) -> bytes:
    link = Link(live._watched, name=BOARD, timeout_s=60)
    link.write_input(given)
    link.invoke(timeout_s=60)
    return link.read_tensor(Tensor.OUTPUT, LAYERS[-1][1])


def wanted(moved: float, given: bytes) -> bytes:
    with contextlib.closing(Interpreter()) as interpreter:
        outputs = interpreter.run(network(moved), [np.frombuffer(given, "int8").reshape(1, 1, -1)])
    assert outputs is not None
    return outputs[0]


def test_a_trained_model_and_a_firmware_arrive_as_deltas(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = Trained(tmp_path_factory.mktemp("kit"))
    old, new = (kit.signed(body, Kind.MODEL) for body in kit.bodies)
    firmwares = [kit.firmware(1), kit.firmware(0, grown=4)]
    flash = kit.prepare(old, tmp_path_factory.mktemp("flash") / "flash")
    given = np.random.default_rng(3).integers(-128, 128, LAYERS[0][0]).astype("int8").tobytes()
    for name, pair in (("model", (old, new)), ("firmware", firmwares)):
        (tmp_path / f"{name}.img").write_bytes(pair[1])
        (tmp_path / f"{name}.delta").write_bytes(make_delta(*pair, where=name))
    with kit.copied(flash, tmp_path / "flash") as live:
        assert infer(live, given) == wanted(0, given)
        (tmp_path / "first.img").write_bytes(firmwares[0])
        with port_of(live.virtual) as port:
            assert main(["update", port, f"--image={tmp_path}/first.img"]) == 0
            capsys.readouterr()
            assert main(["update", port, *(f"--image={tmp_path / name}.img" for name in SHARE), "--json"]) == 0
        (device,) = json.loads(capsys.readouterr().out)["devices"]
        live.wait()
        assert infer(live, given) == wanted(2, given) != wanted(0, given)
        assert [live.active(kind).digest for kind in Kind] == [digest_of(firmwares[1]), digest_of(new)]
    for done in device["images"]:
        assert done["result"] == "confirmed"
        assert done["sent_bytes"] <= SHARE[done["image"]] * done["instead_of_bytes"], done
        print(f"{done['image']}: {done['sent_bytes']:,} bytes instead of {done['instead_of_bytes']:,}")
