"""Collectors: every board of the catalogue has one, from the same templates; its contract is the dataset's signal."""

from __future__ import annotations

import json

import pytest

from fakes.collectors import IMU, PICTURES, SOUND, request_for
from tinyops.boards.loader import load_catalog
from tinyops.errors import SpecError
from tinyops.files import digest_json
from tinyops.firmware.collector_request import collector_request, why_not
from tinyops.firmware.contract import read_signal
from tinyops.firmware.forms.registry import form_of
from tinyops.link.ways import NETWORK_PORT
from tinyops.manifest.contract import collector_contract
from tinyops.specs.dataset import Signal

CATALOG = load_catalog()
EVERY = [(name, framework) for name, board in CATALOG.items() for framework in (board.spec.frameworks or (None,))]


@pytest.mark.parametrize(("name", "framework"), EVERY)
def test_every_board_has_a_collector_in_every_form(name: str, framework: str | None) -> None:
    request = request_for(name, framework=framework)
    files = form_of(request.spec).render(request)
    text = {path: data.decode() for path, data in files.items() if not path.endswith((".svg", ".png"))}
    assert list(files) == sorted(files)
    assert not [path for path in files if "src/app/" in path or "src/smp/" in path or "src/model" in path]
    if CATALOG[name].spec.port == "browser":
        return
    header = text["include/collector.h"]
    digest = request.contract_digest.removeprefix("sha256:")
    assert f"0x{digest[:2]}, 0x{digest[2:4]}" in header and "FRAME_VALUES 6u" in header
    assert f"COLLECTOR_NETWORK_PORT {NETWORK_PORT}u" in header and "RATE_MILLIHZ 50000u" in header
    assert "tinyops_collect_poll" in "".join(text.values())
    assert {"src/collect/frames.c", "src/link/frame.c", "include/tinyops/collect.h"} <= set(files)
    for path, data in text.items():
        if path.endswith("platformio.ini") and f"env:{name}]" in data:
            assert f"TINYOPS_BAUD={request.spec.collector_baud}" in data
            assert "recording for dataset motions" in data.splitlines()[0]


def test_the_boards_whose_line_is_slow_are_those_that_the_catalogue_says() -> None:
    assert {name for name, board in CATALOG.items() if board.spec.collector_baud != 1_000_000} == {
        "microbit",
        "microbit-v2",
    }


@pytest.mark.parametrize("name", sorted(n for n, b in CATALOG.items() if b.spec.layout))
def test_it_lies_where_an_application_or_its_bootloader_begins_and_beside_no_model(name: str) -> None:
    spec, own = request_for(name).spec, CATALOG[name].spec
    assert own.layout is not None and spec.layout is not None
    first = own.layout.own_bootloader or own.layout.firmware[0]
    assert spec.layout.firmware[0].origin == first.origin
    assert spec.layout.model == () and spec.layout.settings == own.layout.settings


def test_the_contract_is_the_signal_and_nothing_else() -> None:
    signal = IMU.model_dump(mode="json")
    contract = collector_contract(signal)
    assert contract == {
        "collect": 1,
        "input": {
            "sensor": "imu",
            "channels": list(IMU.channels),
            "units": list(IMU.units),
            "full_scale": list(IMU.full_scale),
            "rate_hz": 50.0,
            "size": None,
            "frame_values": 6,
        },
    }
    assert digest_json(collector_contract(signal | {"rate_hz": 50})) == digest_json(contract), "50 and 50.0 are one"
    assert digest_json(collector_contract(signal | {"rate_hz": 100})) != digest_json(contract)
    facts = read_signal(json.loads(json.dumps(contract)))
    assert (facts.digest, facts.frame_values, facts.rate_millihz) == (digest_json(contract), 6, 50_000)
    pictures = read_signal(collector_contract(PICTURES.model_dump(mode="json")))
    assert (pictures.frame_values, pictures.rate_millihz) == (19200, 0)


@pytest.mark.parametrize("contract", [{}, {"collect": 2, "input": {}}, {"collect": 1}, {"abi": 1, "input": {}}])
def test_what_is_no_contract_of_a_collector_is_refused(contract: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="not a collector's contract"):
        read_signal(contract)


@pytest.mark.parametrize(
    ("signal", "sensor", "driver"),
    [(IMU, "onboard-imu", "lsm9ds1"), (SOUND, "onboard-microphone", "pdm"), (PICTURES, "kit-camera", "ov7670")],
)
def test_the_sensor_that_fits_the_signal_is_read_by_its_driver(signal: Signal, sensor: str, driver: str) -> None:
    request = request_for("nano33ble", signal)
    files = form_of(request.spec).render(request)
    main = files["src/main.cpp"].decode()
    assert request.sensor == {"kind": "onboard", "name": sensor} and f"src/arduino/{driver}.cpp" in files
    assert "port.sensor = tinyops_arduino_sensor(&wanted);" in main and "board.port = &port;" in main
    assert "twin/src/main.c" in files
    assert ("RATE_MILLIHZ 1000u" in files["include/collector.h"].decode()) == (signal is PICTURES)


def test_a_board_without_a_fitting_sensor_has_a_collector_all_the_same_and_it_says_why() -> None:
    request = request_for("nano33ble", IMU.model_copy(update={"rate_hz": 7.0}))
    assert request.sensor == {"kind": "stream", "port": "serial"} and request.spec.port == "nrf5"
    reasons = why_not(IMU.model_copy(update={"rate_hz": 7.0}), CATALOG["nano33ble"])
    assert reasons[0].startswith("onboard-imu: it does not run at 7 Hz") and len(reasons) == 3
    assert why_not(IMU, CATALOG["nano33ble"])[0] == "onboard-imu: no firmware here reads it"


@pytest.mark.parametrize(
    ("board", "chosen", "said"),
    [
        ("nano33ble", {"sensor": "onboard-im"}, "has no sensor 'onboard-im'"),
        ("mega2560", {"sensor": "x"}, "has no sensor 'x'"),
        ("nano33ble", {"sensor": "onboard-microphone"}, "does not deliver the dataset's signal"),
        ("nano33ble", {"sensor": "onboard-imu", "framework": "bare-metal"}, "no firmware of nano33ble reads"),
    ],
)
def test_a_sensor_that_cannot_be_is_refused(board: str, chosen: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        collector_request("motions", IMU, CATALOG[board], **chosen)


def test_a_page_of_a_phone_names_the_sensor_that_it_reads() -> None:
    assert request_for("phone").sensor == {"kind": "onboard", "name": "motion"}


@pytest.mark.parametrize(
    ("board", "ways"),
    [
        ("nano33ble-radio", {"ble"}),
        ("uno-r4", {"ble"}),
        ("esp32", {"ble", "wifi_esp32"}),
        ("esp32c3", {"ble", "wifi_esp32"}),
        ("mega2560", set()),
    ],
)
def test_a_radio_carries_the_same_bytes(board: str, ways: set[str]) -> None:
    request = request_for(board, framework="arduino")
    files = form_of(request.spec).render(request)
    assert {n for n in ("ble", "wifi_esp32") if f"src/arduino/{n}.cpp" in files} == ways
    main, ini = files["src/main.cpp"].decode(), files["platformio.ini"].decode()
    assert ("board.port = &ways.port;" in main) == bool(ways)
    assert ("ArduinoBLE@" in ini) == ("ble" in ways) and ("SETTINGS_ORIGIN" in main) == ("wifi_esp32" in ways)


@pytest.mark.parametrize(
    ("board", "channel", "unit", "full_scale", "rate_hz", "sensor"),
    [
        ("microbit", "ax", "m/s2", 19.6, 50.0, "onboard-accelerometer"),
        ("microbit-v2", "ax", "m/s2", 19.6, 50.0, "onboard-accelerometer"),
        ("pico", "adc1", "1", 1.0, 400.0, "analog"),  # whose Arduino firmware reads none
    ],
)
def test_a_bare_metal_driver_is_read_by_the_board_s_own_firmware_alone(
    board: str, channel: str, unit: str, full_scale: float, rate_hz: float, sensor: str
) -> None:
    signal = Signal(sensor="own", channels=(channel,), units=(unit,), full_scale=(full_scale,), rate_hz=rate_hz)
    request = collector_request("wrist", signal, CATALOG[board])
    assert request.sensor == {"kind": "onboard", "name": sensor}
    files = form_of(request.spec).render(request)
    assert "src/sensor/sensor_driver.h" in files and "src/sensor/sensor_signal.h" in files
    assert b"tinyops_sensor_attach(&driver, &signal, &port);" in files["src/main.c"]
    reading = [line for line in files["platformio.ini"].decode().splitlines() if "TINYOPS_SENSOR_DRIVER" in line]
    assert len(reading) == 1  # not a twin's on another machine
