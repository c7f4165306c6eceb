"""Deltas from `tinyops update`'s client to the C that boards have, while links break and power fails."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fakes.update_device import FIRMWARE, ORIGIN, UpdateDevice, build_device, firmware_image, model_body, model_image
from fakes.updates import Told
from tinyops.device.transports import transport_of
from tinyops.device.update.connection import Connection
from tinyops.device.update.decide import Delta, Offer
from tinyops.device.update.session import Desk, Done, update
from tinyops.device.update.settings import Patience, Stop, Wish
from tinyops.device.update.upload import Upload
from tinyops.images import read_image
from tinyops.images.delta import make_delta
from tinyops.link.smp import BoardManager
from tinyops.link.smp.definition import UpdateError
from tinyops.manifest.keys import SigningKey

pytestmark = pytest.mark.build
WISH = Wish(patience=Patience(away_s=20, trial_s=10, self_test_s=10, in_all_s=30, poll_s=0.02))
FILLING = 20_000


@dataclass(frozen=True)
class Made:
    """The device's program, and a model before and after a training that moved all of its weights by little."""

    program: Path
    key: SigningKey
    old: bytes
    new: bytes

    @property
    def delta(self) -> bytes:
        return make_delta(self.old, self.new, where="new")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, key, rng = tmp_path_factory.mktemp("device"), SigningKey.generate(), np.random.default_rng(1)
    weights = rng.integers(0, 256, FILLING)
    moved = weights + rng.integers(-2, 2, FILLING, endpoint=True)
    bodies = []
    for mark, values in enumerate((weights, moved)):
        body = bytearray(model_body(folder, mark=mark, filling=FILLING))
        body[-FILLING - 64 : -64] = (values % 256).astype("uint8").tobytes()
        bodies.append(bytes(body))
    old, new = (model_image(body, key, mark=mark) for mark, body in enumerate(bodies))
    return Made(build_device(folder), key, old, new)


def a_device(made: Made, folder: Path, *options: str) -> UpdateDevice:
    found = UpdateDevice(folder, made.program, made.key, options=options)
    found.flash(made.old)
    return found


def offer(new: bytes, old: bytes, delta: bytes) -> Offer:
    base = read_image(old, where="old").digest
    return Offer(read_image(new, where="new"), new, "new.img", (Delta(base, len(delta), "new.delta", lambda: delta),))


def run(device: UpdateDevice, *offers: Offer) -> tuple[tuple[Done, ...], list[str]]:
    """What was done, and what was said."""
    told, origins = Told(), tuple(ORIGIN + at for at in FIRMWARE)
    desk = Desk(lambda info: offers, lambda board: origins, WISH, told, Stop())
    return update(device.port, transport_of(device.port), desk).images, told.lines


def fares(device: UpdateDevice, image: int = 1) -> int:
    """Why the device refused an update last."""
    with transport_of(device.port).open(device.port) as channel:
        return BoardManager.over(channel, name="device").update_state(image).refusal


def test_a_model_and_a_firmware_are_made_of_what_runs(made: Made, tmp_path: Path) -> None:
    device = a_device(made, tmp_path)
    firmware = [firmware_image(made.key, slot=slot, name=name) for slot, name in ((0, ""), (1, "new"))]
    both = (
        offer(firmware[1], firmware[0], make_delta(firmware[0], firmware[1], where="new")),
        offer(made.new, made.old, made.delta),
    )
    with device.started():
        done, said = run(device, *both)
        assert [image.result for image in done] == ["confirmed", "confirmed"]
        assert [image.sent for image in done] == [len(one.deltas[0].read()) for one in both]
        assert done[1].instead_of == len(made.new) > 2.5 * done[1].sent > 4000
        assert f"as a delta, {len(made.delta):,} bytes instead of {len(made.new):,}" in "\n".join(said)
        assert [image.result for image in run(device, *both)[0]] == ["ran already", "ran already"]


def test_smpmgr_as_it_is_sends_one(made: Made, tmp_path: Path) -> None:
    device, file = a_device(made, tmp_path), tmp_path / "model.delta"
    file.write_bytes(made.delta)
    program = Path(sys.executable).with_name("smpmgr")
    with device.started():
        upload = ["image", "upload", "--slot", "1", "--format", "any", file]
        subprocess.run([program, "--port", device.port, *upload], check=True, capture_output=True, timeout=60)
        with transport_of(device.port).open(device.port) as channel:
            slots = BoardManager.over(channel, name="device").images()
    assert [slot.bootable for slot in slots if slot.digest == read_image(made.new, where="new").digest] == [True]


@pytest.mark.parametrize(
    ("change", "words", "refusal"),
    [
        ("base", "from another image", UpdateError.BASE),
        ("magic", "no image of MCUboot's format", UpdateError.IMAGE),
        ("short", "the delta is malformed", UpdateError.DELTA),
        ("bits", "", None),
    ],
)
def test_a_delta_that_is_of_no_use_is_followed_by_the_image(
    made: Made, tmp_path: Path, change: str, words: str, refusal: UpdateError | None
) -> None:
    delta = bytearray(made.delta)
    if change == "short":
        del delta[-100:]
    else:
        delta[{"base": 20, "magic": 3, "bits": 3000}[change]] ^= 1
    device = a_device(made, tmp_path)
    with device.started():
        (image,), said = run(device, offer(made.new, made.old, bytes(delta)))
        (line,) = [line for line in said if line.startswith("the delta was of no use")]
        assert words in line
        assert (image.result, image.sent, image.instead_of) == ("confirmed", len(made.new), 0)
        assert fares(device) == 0


def test_a_device_that_takes_none_is_asked_first(made: Made, tmp_path: Path) -> None:
    device = a_device(made, tmp_path, "--deltas", "0")
    with device.started():
        (image,), said = run(device, offer(made.new, made.old, made.delta))
        assert image.sent == len(made.new) and not any("delta" in line for line in said)


class Enough(Exception):
    """Ends an upload in the middle."""


def send_until(device: UpdateDevice, data: bytes, most: int) -> None:
    """Sends more than `most` bytes of a file, and leaves it there."""

    def moved(at: int) -> None:
        if at > most:
            raise Enough

    way = {"settle_s": 0.0, "patience": WISH.patience, "watch": Told(), "stop": Stop()}
    with Connection(device.port, transport_of(device.port), **way) as to, pytest.raises(Enough):
        Upload(to, 1, data, moved).run()


def test_what_is_half_there_is_not_sent_as_a_delta_again(made: Made, tmp_path: Path) -> None:
    device, missing = a_device(made, tmp_path), len(made.delta) - 1000
    with device.started():
        send_until(device, made.new, len(made.new) - missing)
        (image,), _ = run(device, offer(made.new, made.old, made.delta))
        assert image.resumed_at > len(made.new) - missing and image.instead_of == 0


@pytest.mark.parametrize("resets", [False, True])
def test_a_delta_goes_on_where_it_ended_and_begins_again_after_a_reset(
    made: Made, tmp_path: Path, resets: bool
) -> None:
    device = a_device(made, tmp_path)
    with device.started():
        send_until(device, made.delta, 3000)
        if resets:
            device.crash()
        (image,), _ = run(device, offer(made.new, made.old, made.delta))
        assert image.instead_of == len(made.new) and image.result == "confirmed"
        assert (image.resumed_at > 3000) is not resets


def test_power_that_fails_in_the_middle_of_a_delta(made: Made, tmp_path: Path) -> None:
    for operation in (2, 2000):
        (folder := tmp_path / str(operation)).mkdir()
        device = a_device(made, folder)
        with device.started():
            device.cut_at(device.operations + operation)
            (image,), _ = run(device, offer(made.new, made.old, made.delta))
            assert device.starts == 2 and image.result == "confirmed" and image.instead_of
