"""An ESP32's whole rendered program is updated over SMP, as `tinyops update` does it; never run on silicon.

Its core and its maker's bootloader are the host's (tests/runtime/arduino), its flash a file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fakes.esp32_device import compile_program, powered
from fakes.esp_image import esp_image
from fakes.models import CONTRACT, SOURCE, contract_digest
from fakes.updates import Told
from tinyops.boards import load_catalog
from tinyops.device.provision.format import Settings, encode_values
from tinyops.device.transports import transport_of
from tinyops.device.update.decide import Delta, Offer
from tinyops.device.update.session import Desk, update
from tinyops.device.update.settings import Patience, Stop, UpdateFailed, Wish
from tinyops.firmware import render_project
from tinyops.images import Kind, build_image, read_image, sign_image
from tinyops.images.delta import make_delta
from tinyops.link.smp import BoardManager
from tinyops.link.smp.answers import TrialOutcome
from tinyops.manifest.keys import SigningKey

pytestmark = pytest.mark.build

PATIENCE = Patience(away_s=30, trial_s=30, self_test_s=20, in_all_s=120, poll_s=0.05)
INVOKE = "int32_t tinyops_model_invoke(void *arena) {"
FAILS, CRASHES = "  (void)arena;\n  return -1;\n}\nint32_t unused(void *arena) {", "  *(volatile int *)1 = 1;"
KEY, OTHER = SigningKey.generate(), SigningKey.generate()
SPEC = load_catalog()["esp32"].spec
assert SPEC.layout is not None
SLOTS = tuple(slot.origin for slot in SPEC.layout.firmware)


@dataclass(frozen=True)
class Built:
    folder: Path
    contract: bytes

    def offers(self, mark: bytes, counter: int = 1, key: SigningKey = KEY, patch: bytes = b"") -> tuple[Offer, ...]:
        """A firmware for either slot, as a release has them; with a `patch`, a bit of it is another one."""
        code = bytearray(mark + random.Random(mark).randbytes(6000))  # noqa: S311
        code[3000 : 3000 + len(patch)] = patch
        body = esp_image(bytes(code))
        made = []
        for name, origin in zip("ab", SLOTS, strict=True):
            image = build_image(
                body,
                kind=Kind.FIRMWARE,
                board="esp32",
                contract=self.contract,
                counter=counter,
                load_address=origin,
            )
            data = sign_image(image, key)
            made.append(Offer(read_image(data, where=name), data, f"firmware_{name}.img"))
        return tuple(made)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("esp32")
    assert SPEC.layout is not None
    contract = json.dumps({**CONTRACT, "arena_bytes": SPEC.layout.arena_bytes}).encode()
    files = render_project(
        board="esp32", spec=SPEC, fleet="f", sensor={"kind": "stream"}, contract=json.loads(contract)
    )
    digest = bytes.fromhex(contract_digest(contract).removeprefix("sha256:"))
    model = f"#define CONTRACT_BYTES {','.join(map(str, digest))}\n{SOURCE}"
    models = {name: model.replace(INVOKE, INVOKE + text) for name, text in (("fails", FAILS), ("crashes", CRASHES))}
    compile_program({**files, "src/model.c": model.encode()}, folder, models)
    return Built(folder, digest)


@pytest.fixture
def flash(tmp_path: Path, built: Built) -> Iterator[Path]:
    """A board that a cable has given a firmware, and that is enrolled."""
    path = tmp_path / "flash"
    raw = bytearray(b"\xff" * (4 << 20))
    first = esp_image(b"first" * 200)
    raw[SLOTS[0] : SLOTS[0] + len(first)] = first
    path.write_bytes(raw)
    keys = (KEY.public.raw, SigningKey.generate().public.raw)
    settings = Settings("esp-9", "f", "esp32", keys, bytes(32), report_key=bytes(32))
    with powered(built.folder / "program", path) as port, BoardManager.open(port) as manager:
        manager.write_settings(encode_values(settings))
    yield path


def bring(port: str, offers: tuple[Offer, ...], *, confirm: bool = True) -> list[str]:
    told = Told()
    desk = Desk(lambda info: offers, lambda board: SLOTS, Wish(confirm=confirm, patience=PATIENCE), told, Stop())
    update(port, transport_of(port), desk)
    return told.lines


def running(port: str) -> list[tuple[int, bool, bytes]]:
    """Of the firmware that runs: its slot, whether it is confirmed, its digest."""
    with BoardManager.open(port) as manager:
        return [(s.slot, s.confirmed, s.digest or b"") for s in manager.images() if s.image == 0 and s.active]


def test_a_firmware_is_brought_tried_and_confirmed_in_either_slot(built: Built, flash: Path) -> None:
    with powered(built.folder / "program", flash) as port:
        assert [place[:2] for place in running(port)] == [(0, True)]
        for mark, slot in ((b"second", 1), (b"third", 0), (b"fourth", 1)):
            offers = built.offers(mark)
            bring(port, offers)
            assert running(port) == [(slot, True, offers[slot].image.digest)]
    with powered(built.folder / "program", flash) as port:
        assert running(port) == [(1, True, offers[1].image.digest)]
        assert "runs already" in bring(port, offers)[-1]


def test_a_firmware_arrives_as_a_delta_once_the_one_before_came_over_smp(built: Built, flash: Path) -> None:
    with powered(built.folder / "program", flash) as port:
        before = built.offers(b"second")
        bring(port, before)
        new = built.offers(b"second", patch=b"more")[0]
        delta = make_delta(before[1].data, new.data, where="delta")
        base = Delta(before[1].image.digest, len(delta), "firmware.delta", lambda: delta)
        offer = replace(new, deltas=(base,))
        said = bring(port, (offer,))
        assert any(f"as a delta, {len(delta):,} bytes instead of {len(new.data):,}" in line for line in said)
        assert running(port) == [(0, True, offer.image.digest)] and len(delta) < len(new.data) / 2
    with powered(built.folder / "program", flash) as port:
        assert running(port) == [(0, True, offer.image.digest)]


def test_what_is_not_confirmed_is_gone_after_a_reset_of_any_kind(built: Built, flash: Path) -> None:
    with powered(built.folder / "program", flash) as port:
        offers = built.offers(b"second")
        bring(port, offers, confirm=False)
        assert running(port) == [(1, False, offers[1].image.digest)]
    with powered(built.folder / "program", flash) as port:
        assert [place[:2] for place in running(port)] == [(0, True)]
        with BoardManager.open(port) as manager:
            assert manager.update_state(0).outcome == TrialOutcome.RESET


@pytest.mark.parametrize(("name", "outcome"), [("fails", TrialOutcome.SELF_TEST), ("crashes", TrialOutcome.RESET)])
def test_a_firmware_that_does_not_work_reverts(name: str, outcome: TrialOutcome, built: Built, flash: Path) -> None:
    with powered(built.folder / "program", flash, BAD=str(built.folder / name)) as port:
        good = built.offers(b"second")
        bring(port, good)
        with pytest.raises(UpdateFailed, match="was reverted"):
            bring(port, built.offers(b"BAD!"))
        assert running(port) == [(1, True, good[1].image.digest)]
        with BoardManager.open(port) as manager:
            assert manager.update_state(0).outcome == outcome


def test_what_is_forged_or_older_is_refused_by_name(built: Built, flash: Path) -> None:
    with powered(built.folder / "program", flash) as port:
        bring(port, built.offers(b"second", counter=3))
        before = running(port)
        with pytest.raises(UpdateFailed, match="no key that it trusts"):
            bring(port, built.offers(b"third", counter=3, key=OTHER))
        with pytest.raises(UpdateFailed, match="security counter is lower"):
            bring(port, built.offers(b"third", counter=2))
        assert running(port) == before
