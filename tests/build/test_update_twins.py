"""`tinyops update` against emulated boards: their own bootloader, firmware and serial line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.pty_board import port_of
from fakes.updatable import CRASHES, INPUT_BYTES, Updatable, answer_to, digest_of
from tinyops.cli import main

pytestmark = pytest.mark.build
GOOD = bytes(range(1, INPUT_BYTES + 1))


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Updatable:
    return Updatable("microbit", tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="module")
def flash(kit: Updatable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.prepare(kit.model(0), tmp_path_factory.mktemp("flash") / "flash")


def write(folder: Path, **images: bytes) -> list[str]:
    """Files of the images, as arguments."""
    arguments: list[str] = []
    for name, data in images.items():
        (folder / f"{name}.img").write_bytes(data)
        arguments += ["--image", str(folder / f"{name}.img")]
    return arguments


def test_a_micro_bit_gets_a_model_and_a_firmware_beside_it(
    kit: Updatable, flash: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, firmwares = kit.model(5), {f"firmware_{name}": kit.firmware(n, grown=4) for n, name in enumerate("ab")}
    command = write(tmp_path, model=model, **firmwares)
    with kit.copied(flash, tmp_path / "flash") as live:
        with port_of(live.virtual) as port:
            assert main(["update", port, *command, "--json"]) == 0
            (device,) = json.loads(capsys.readouterr().out)["devices"]
            done = [(one["image"], one["result"]) for one in device["images"]]
            assert done == [("firmware", "confirmed"), ("model", "confirmed")]
            assert main(["update", port, *command]) == 0
            assert capsys.readouterr().out.count("ran already") == 2
        live.wait()
        assert live.active(0).digest == digest_of(firmwares["firmware_b"]) and live.infer(GOOD) == answer_to(GOOD, 5)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("forged", "no key that it trusts has signed the image"),
        ("older", "security counter is lower"),
        ("crashing", "was reverted: it was reset before the trial was over"),
    ],
)
def test_a_forged_an_older_and_a_crashing_one_leave_what_ran(
    kit: Updatable, flash: Path, tmp_path: Path, what: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {
        "forged": lambda: kit.model(3, key=_stranger()),
        "older": lambda: kit.model(3, counter=0),
        "crashing": lambda: kit.firmware(1, instead=CRASHES, at="tinyops_startup_reset"),
    }
    bad = images[what]()
    with kit.copied(flash, tmp_path / "flash") as live:
        before = [live.active(image).digest for image in (0, 1)]
        with port_of(live.virtual) as port:
            assert main(["update", port, *write(tmp_path, bad=bad)]) == 70
        assert said in capsys.readouterr().err
        live.wait()
        assert [live.active(image).digest for image in (0, 1)] == before
        assert digest_of(bad) not in before and live.infer(GOOD) == answer_to(GOOD, 0)


def _stranger() -> object:
    from tinyops.manifest.keys import SigningKey

    return SigningKey.generate()
