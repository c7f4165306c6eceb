"""A board whose firmware comes over a cable takes models into two slots: a Pico 2's whole rendered program, run here.

The slot library and its cryptography are linked in; flash lies where the chip has it, as a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.esp32_device import RP2_HOSTS, compile_for, powered
from fakes.models import CONTRACT, contract_digest
from fakes.update_device import model_body, model_image
from fakes.updates import Told
from tinyops.boards import load_catalog
from tinyops.device.provision.format import Settings, encode_values
from tinyops.device.transports import transport_of
from tinyops.device.update.decide import Offer
from tinyops.device.update.session import Desk, update
from tinyops.device.update.settings import Patience, Stop, UpdateFailed, Wish
from tinyops.firmware import render_project
from tinyops.images import Kind, build_image, read_image, sign_image
from tinyops.link import Status
from tinyops.link.smp import BoardManager
from tinyops.manifest.keys import SigningKey

pytestmark = pytest.mark.build

PATIENCE = Patience(away_s=30, trial_s=30, self_test_s=20, in_all_s=120, poll_s=0.05)
KEY, OTHER = SigningKey.generate(), SigningKey.generate()
SPEC = load_catalog()["pico2"].spec
assert SPEC.layout is not None and SPEC.memory is not None
RAW = json.dumps({**CONTRACT, "arena_bytes": SPEC.layout.arena_bytes}).encode()
DIGEST = bytes.fromhex(contract_digest(RAW).removeprefix("sha256:"))
NOT_HERE = "src/arduino/hardware_rp2.cpp"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = render_project(board="pico2", spec=SPEC, fleet="f", sensor={"kind": "stream"}, contract=json.loads(RAW))
    assert NOT_HERE in files
    kept = {name: data for name, data in files.items() if name != NOT_HERE and not name.startswith("twin/")}
    return compile_for("ARDUINO_ARCH_RP2040", RP2_HOSTS, kept, tmp_path_factory.mktemp("pico2"))


@pytest.fixture
def flash(tmp_path: Path, program: Path) -> Iterator[Path]:
    """A board that is enrolled and has no model yet."""
    path = tmp_path / "flash"
    path.write_bytes(b"\xff" * (4 << 20))
    keys = (KEY.public.raw, SigningKey.generate().public.raw)
    settings = Settings("pico-9", "f", "pico2", keys, bytes(32), report_key=bytes(32))
    with powered(program, path) as port, BoardManager.open(port) as manager:
        assert manager.info().state == Status.ABSENT
        manager.write_settings(encode_values(settings))
    yield path


def offer(folder: Path, mark: int, key: SigningKey = KEY, test: int | None = None) -> Offer:
    """A model whose self-test is that of another mark, where `test` says so."""
    made = model_image(
        model_body(folder, mark=mark, contract=DIGEST),
        key,
        mark=mark if test is None else test,
        contract=DIGEST,
        board="pico2",
    )
    return Offer(read_image(made, where="model"), made, "model.img")


def bring(port: str, *offers: Offer) -> None:
    assert SPEC.layout is not None
    origins = tuple(slot.origin for slot in SPEC.layout.firmware)
    wish = Wish(patience=PATIENCE)
    update(port, transport_of(port), Desk(lambda info: offers, lambda board: origins, wish, Told(), Stop()))


def running(port: str) -> list[tuple[int, bool, bytes]]:
    with BoardManager.open(port) as manager:
        return [(s.slot, s.confirmed, s.digest or b"") for s in manager.images() if s.image == 1 and s.active]


def test_models_replace_each_other_between_two_inferences(program: Path, flash: Path, tmp_path: Path) -> None:
    first, second = offer(tmp_path, 1), offer(tmp_path, 2)
    with powered(program, flash) as port:
        bring(port, first)
        assert running(port) == [(0, True, first.image.digest)]
        bring(port, second)
        assert running(port) == [(1, True, second.image.digest)]
        for refused, why in (
            (offer(tmp_path, 3, OTHER), "no key that it trusts"),
            (offer(tmp_path, 3, test=4), "was reverted: it failed its self-test"),
        ):
            with pytest.raises(UpdateFailed, match=why):
                bring(port, refused)
            assert running(port) == [(1, True, second.image.digest)]
    with powered(program, flash) as port, BoardManager.open(port) as manager:
        assert manager.info().state == Status.OK and manager.self_test().passed
    with powered(program, flash) as port:
        assert running(port) == [(1, True, second.image.digest)]


def test_its_firmware_is_refused_with_what_to_do(program: Path, flash: Path) -> None:
    image = build_image(
        bytes(500), kind=Kind.FIRMWARE, board="pico2", contract=DIGEST, counter=1, load_address=0x10000000
    )
    data = sign_image(image, KEY)
    with powered(program, flash) as port:
        with pytest.raises(UpdateFailed, match="pico2 takes firmware over its cable alone") as failed:
            bring(port, Offer(read_image(data, where="firmware"), data, "firmware.img"))
        assert "`tinyops flash`" in failed.value.hint
