"""Emulated boards behind a gateway agent: their own bootloader, firmware and serial line, a release folder."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from fakes.image_store import ImageStore
from fakes.pty_board import port_of
from fakes.reports import read_reports
from fakes.updatable import INPUT_BYTES, Updatable, answer_to, digest_of
from tinyops.cli import main
from tinyops.manifest.report import DeviceReport

pytestmark = pytest.mark.build
GOOD = bytes(range(1, INPUT_BYTES + 1))
BOARDS = ("microbit", "nano33ble")


def test_a_micro_bit_and_a_nano_behind_a_gateway_update_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ImageStore(tmp_path)
    kits, flash = {}, {}
    for number, board in enumerate(BOARDS):
        (tmp_path / board).mkdir()
        kits[board] = Updatable(board, tmp_path / board, device=f"w-{number}", key=store.key)
        flash[board] = kits[board].prepare(kits[board].model(0), tmp_path / board / "flash")
    with contextlib.ExitStack() as stack:
        live = {board: stack.enter_context(kits[board].booted(flash[board])) for board in BOARDS}
        with contextlib.ExitStack() as lines:
            ports = [lines.enter_context(port_of(live[board].virtual)) for board in BOARDS]
            config = store.config(gateway={"addresses": ports})
            models = {board: kits[board].model(5) for board in BOARDS}
            # The micro:bit's release has a new firmware, too: for both slots, of which one is fetched.
            firmware = {f"firmware_{name}": kits["microbit"].firmware(n, grown=4) for n, name in enumerate("ab")}
            offered = {
                "microbit": {"model": models["microbit"], **firmware},
                "nano33ble": {"model": models["nano33ble"]},
            }
            entries = {
                board: store.release("wrist", board, images, contract=kits[board].contract_digest)
                for board, images in offered.items()
            }
            assert main(["agent", "--config", str(config), "--once", "--json"]) == 0
            devices = json.loads(capsys.readouterr().out)["devices"]
            assert {(d["device"], d["board"], d["state"]) for d in devices} == {
                ("w-0", "microbit", "current"),
                ("w-1", "nano33ble", "current"),
            }
            cached = {path.name for path in (tmp_path / "state/gateway/content").iterdir()}
            assert entries["microbit"].images["firmware_a"].sha256 not in cached
            assert entries["microbit"].images["firmware_b"].sha256 in cached
            # A release that this micro:bit refuses: its security counter is below what it reached.
            forged = kits["microbit"].model(7, counter=0)
            store.release("wrist", "microbit", {"model": forged}, contract=kits["microbit"].contract_digest)
            assert main(["agent", "--config", str(config), "--once", "--json"]) == 0
            states = {d["board"]: d["state"] for d in json.loads(capsys.readouterr().out)["devices"]}
            assert states == {"microbit": "given-up", "nano33ble": "current"}
        for board in BOARDS:
            live[board].wait()
            assert live[board].active(1).digest == digest_of(models[board])
            assert live[board].infer(GOOD) == answer_to(GOOD, 5)
        assert live["microbit"].active(0).digest == digest_of(firmware["firmware_b"])
    reports = {r.device: r for r in read_reports(tmp_path / "reports") if isinstance(r, DeviceReport)}
    assert [event.kind for event in reports["w-1"].events] == ["first-seen", "installed"]
    assert [event.kind for event in reports["w-0"].events] == ["first-seen", "installed", "installed", "refused"]
    last = reports["w-0"].last_update
    assert last is not None and last.result == "refused" and "security counter is lower" in last.reason
    assert reports["w-0"].slot.state == "confirmed"
