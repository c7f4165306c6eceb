"""The update client against the C that boards have: server, slots, trials and swaps, over every way to them."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.carriers import Weather, through
from fakes.radio import Peripheral, carrier, on_air
from fakes.update_device import (
    BOARD,
    FIRMWARE,
    ORIGIN,
    OTHER_CONTRACT,
    UpdateDevice,
    build_device,
    firmware_image,
    golden,
    model_body,
    model_image,
)
from fakes.updates import Told
from tinyops.device.transports import Transport, transport_of
from tinyops.device.transports.ble import BleTransport
from tinyops.device.transports.udp import UdpTransport
from tinyops.device.update.decide import Offer
from tinyops.device.update.many import exit_code, update_all
from tinyops.device.update.session import Desk, Updated, update
from tinyops.device.update.settings import Patience, Stop, UpdateFailed, Wish
from tinyops.errors import ExitCode
from tinyops.images import Kind, read_image
from tinyops.link.smp import BoardManager
from tinyops.manifest.keys import SigningKey

pytestmark = pytest.mark.build

PATIENCE = Patience(away_s=20, trial_s=10, self_test_s=10, in_all_s=30, poll_s=0.02)
WISH = Wish(patience=PATIENCE)
ORIGINS = tuple(ORIGIN + at for at in FIRMWARE)
FILLING = 20_000  # bytes of a model


@dataclass(frozen=True)
class Made:
    """The device's program and bodies of models, built once."""

    program: Path
    old: bytes
    new: bytes
    crashing: bytes
    other: bytes
    key: SigningKey


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("device")
    return Made(
        build_device(folder, sanitized=False),
        model_body(folder, filling=FILLING),
        model_body(folder, mark=1, filling=FILLING),
        model_body(folder, mark=2, fault=1),
        model_body(folder, mark=3, contract=OTHER_CONTRACT),
        SigningKey.generate(),
    )


def offer(data: bytes, where: str = "test.img") -> Offer:
    return Offer(read_image(data, where=where), data, where)


@pytest.fixture
def device(made: Made, tmp_path: Path) -> UpdateDevice:
    return a_device(made, tmp_path)


def a_device(made: Made, folder: Path, *options: str) -> UpdateDevice:
    found = UpdateDevice(folder, made.program, made.key, options=options)
    found.flash(model_image(made.old, made.key))
    return found


def desk(*offers: Offer, wish: Wish = WISH, told: Told | None = None) -> Desk:
    return Desk(lambda info: offers, lambda board: ORIGINS, wish, told or Told(), Stop())


def run(address: str, *offers: Offer, transport: Transport | None = None, wish: Wish = WISH) -> Updated:
    return update(address, transport or transport_of(address), desk(*offers, wish=wish))


def runs(address: str, one: Offer) -> bool:
    """Whether a device runs an image, confirmed: asked over a link of its own."""
    with transport_of(address).open(address) as channel:
        slots = BoardManager.over(channel, name=address).images()
    return any(slot.digest == one.image.digest and slot.active and slot.confirmed for slot in slots)


@pytest.mark.parametrize("way", ["serial", "udp", "tcp"])
def test_a_model_and_a_firmware_reach_a_device_and_are_confirmed(made: Made, device: UpdateDevice, way: str) -> None:
    model = offer(model_image(made.new, made.key, mark=1))
    firmwares = [offer(firmware_image(made.key, slot=slot, name="new")) for slot in (0, 1)]
    with device.started(udp=way == "udp", tcp=way == "tcp"):
        address = {"serial": device.port, "udp": f"udp://127.0.0.1:{device.udp_port}"}.get(
            way, f"tcp://127.0.0.1:{device.tcp_port}"
        )
        done = run(address, *firmwares, model)
        assert [image.result for image in done.images] == ["confirmed", "confirmed"] and done.board == BOARD
        assert device.starts == 2  # the firmware's trial, and no other reset
        assert [image.result for image in run(address, *firmwares, model).images] == ["ran already", "ran already"]
    with device.started(tcp=True):
        address = f"tcp://127.0.0.1:{device.tcp_port}"
        assert runs(address, model) and runs(address, firmwares[1])


def test_a_firmware_of_a_new_contract_takes_its_model_along(made: Made, device: UpdateDevice) -> None:
    firmwares = [offer(firmware_image(made.key, slot=slot, contract=OTHER_CONTRACT)) for slot in (0, 1)]
    model = offer(model_image(made.other, made.key, mark=3, contract=OTHER_CONTRACT))
    with device.started():
        run(device.port, *firmwares, model)
        assert runs(device.port, model) and runs(device.port, firmwares[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("key", "no key that it trusts has signed"),
        ("counter", "security counter is lower"),
        ("board", "made for another board"),
        ("contract", "another contract"),
        ("damaged", "reverted|self-test|digest"),
        ("crashing", "reset before the trial was over"),
        ("golden", "failed its self-test"),
    ],
)
def test_what_must_not_run_is_refused_or_reverted_by_name(
    made: Made, device: UpdateDevice, change: str, words: str
) -> None:
    if change == "counter":
        device.flash(model_image(made.old, made.key, counter=5))
    images = {
        "key": lambda: model_image(made.new, SigningKey.generate(), mark=1),
        "board": lambda: model_image(made.new, made.key, mark=1, board="another"),
        "contract": lambda: model_image(made.other, made.key, mark=3, contract=OTHER_CONTRACT),
        "crashing": lambda: model_image(made.crashing, made.key, mark=2),
        "golden": lambda: model_image(made.new, made.key, test=golden(9)),
    }
    bad = offer(images.get(change, lambda: model_image(made.new, made.key, mark=1))())
    if change == "damaged":
        data = bytearray(bad.data)
        data[5000] ^= 1
        bad = Offer(bad.image, bytes(data), bad.where)
    old = offer(model_image(made.old, made.key, counter=5 if change == "counter" else 0))
    with device.started():
        with pytest.raises(UpdateFailed, match=words) as caught:
            run(device.port, bad, wish=Wish(anyway=True, patience=PATIENCE))
        assert caught.value.message.startswith(device.port)
        assert runs(device.port, old)


@pytest.mark.parametrize("behaves", ["c", "h"])
def test_a_firmware_that_crashes_or_hangs_leaves_the_old_one(made: Made, tmp_path: Path, behaves: str) -> None:
    device = a_device(made, tmp_path, "--watchdog", "300")
    old, bad = offer(firmware_image(made.key, slot=0)), offer(firmware_image(made.key, slot=1, behaves=behaves))
    with device.started():
        with pytest.raises(UpdateFailed, match="was reverted: it was reset before the trial was over"):
            run(device.port, bad)
        assert runs(device.port, old)


def test_rough_weather_on_udp(made: Made, device: UpdateDevice) -> None:
    model, weather = offer(model_image(made.new, made.key, mark=1)), Weather(lost=0.1, doubled=0.1, held=0.1, seed=3)
    with device.started(udp=True), through(weather, f"udp://127.0.0.1:{device.udp_port}") as rough:
        run(rough, model, transport=UdpTransport(0.05, 0.02))
    print(f"datagrams: {weather.counts}")
    assert all(weather.counts.values())


def test_power_that_fails_in_the_middle_of_an_upload(made: Made, device: UpdateDevice) -> None:
    model = offer(model_image(made.new, made.key, mark=1))
    with device.started():
        device.cut_at(device.operations + 2000)
        (image,) = run(device.port, model).images
        assert device.starts == 2 and runs(device.port, model) and image.result == "confirmed"


def test_a_tcp_connection_that_breaks_in_the_middle(made: Made, device: UpdateDevice) -> None:
    model = offer(model_image(made.new, made.key, mark=1))
    with device.started(tcp=True), _breaking(device.tcp_port, after=[6000, 9000]) as (address, breaks):
        (image,) = run(address, model).images
    assert len(breaks) == 2 <= image.breaks and image.result == "confirmed"


@contextlib.contextmanager
def _breaking(port: int, after: list[int]) -> Iterator[tuple[str, list[int]]]:
    """A proxy to a port of TCP whose connections end after so many bytes, each number once."""
    done, breaks = threading.Event(), list[int]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not done.is_set():
                if select.select([server], [], [], 0.05)[0]:
                    near, _ = server.accept()
                    with near, socket.create_connection(("127.0.0.1", port)) as far:
                        _carry(near, far, after, breaks, done)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", breaks
        done.set()
        thread.join(5)


def _carry(near: socket.socket, far: socket.socket, after: list[int], breaks: list[int], done: threading.Event) -> None:
    carried = 0
    while not done.is_set():
        for line in select.select([near, far], [], [], 0.05)[0]:
            data = line.recv(1 << 16)
            carried += len(data)
            if not data:
                return
            if after and carried >= after[0]:
                breaks.append(after.pop(0))
                return
            (far if line is near else near).sendall(data)


def test_a_serial_line_that_vanishes_and_comes_back(made: Made, device: UpdateDevice, tmp_path: Path) -> None:
    """As a cable that is pulled: the port's file is gone, and later another one has its name."""
    model, port = offer(model_image(made.new, made.key, mark=1)), tmp_path / "ttyACM0"
    with device.started(tcp=True):
        bridge = _Bridge(port, device.port, after=9000)
        with bridge.running():
            (image,) = run(str(port), model).images
    assert bridge.pulled == 1 <= image.breaks and image.result == "confirmed" and image.resumed_at > 0


class _Bridge:
    """A port, by a symbolic link, to another one; it is pulled out once after so many bytes, and put back."""

    def __init__(self, link: Path, port: str, after: int) -> None:
        self._link, self._port, self._after = link, port, after
        self.pulled = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        done, ready = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._run, args=(done, ready), daemon=True)
        thread.start()
        ready.wait(5)
        try:
            yield
        finally:
            done.set()
            thread.join(5)

    def _run(self, done: threading.Event, ready: threading.Event) -> None:
        board = os.open(self._port, os.O_RDWR | os.O_NOCTTY)
        while not done.is_set():
            far, near = os.openpty()
            tty.setraw(near)
            self._link.symlink_to(os.ttyname(near))
            os.close(near)
            ready.set()
            self._carry(far, board, done)
            self._link.unlink()
            os.close(far)
            done.wait(0.3)
        os.close(board)

    def _carry(self, far: int, board: int, done: threading.Event) -> None:
        carried = 0
        while not done.is_set():
            for line in select.select([far, board], [], [], 0.05)[0]:
                try:
                    data = os.read(line, 4096)
                    carried += len(data) if line == far else 0
                    if not self.pulled and carried >= self._after:
                        self.pulled = 1
                        return
                    os.write(board if line == far else far, data)
                except OSError:  # nobody has the port open just now
                    done.wait(0.02)


@pytest.mark.parametrize("mtu", [23, 247])
def test_a_radio_of_any_mtu(made: Made, device: UpdateDevice, mtu: int) -> None:
    model = offer(model_image(made.new, made.key, mark=1))
    with device.started(udp=True), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("127.0.0.1", device.udp_port))
        line.settimeout(10)

        def answer(message: bytes) -> bytes:
            line.send(message)
            return line.recv(4096)

        peripheral = Peripheral("tinyops desk", answer)
        with on_air(peripheral) as hci:
            run("ble://tinyops desk", model, transport=BleTransport(carrier(hci, mtu)))
        assert set(peripheral.mtus) == {mtu} and runs(f"udp://127.0.0.1:{device.udp_port}", model)


def test_ten_devices_at_once_and_one_that_refuses(made: Made, tmp_path: Path) -> None:
    model, told = offer(model_image(made.new, made.key, mark=1)), Told()
    with contextlib.ExitStack() as stack:
        addresses = []
        for number in range(10):
            folder = tmp_path / str(number)
            folder.mkdir()
            device = UpdateDevice(folder, made.program, None if number == 4 else made.key)
            device.flash(model_image(made.old, device.key))
            stack.enter_context(device.started(serial=False, tcp=True))
            addresses.append(f"tcp://127.0.0.1:{device.tcp_port}")
        ways = {address: transport_of(address) for address in addresses}
        outcomes = update_all(ways, desk(model, told=told), jobs=10)
        assert [outcome.address for outcome in outcomes] == addresses
        errors = {n: outcome.error for n, outcome in enumerate(outcomes) if outcome.error}
        assert list(errors) == [4] and "not enrolled" in errors[4].message
        assert exit_code(outcomes) == ExitCode.TOOL
        assert all(runs(address, model) for n, address in enumerate(addresses) if n != 4)
    assert model.image.kind == Kind.MODEL
