"""A collector with an Arduino core: the board's own sensor where there is a driver, and its radio beside the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyops.boards.model import Act, BoardSpec
from tinyops.firmware import collector
from tinyops.firmware.contract import Contract
from tinyops.firmware.forms.bare_metal import settings_values
from tinyops.firmware.forms.form import Request
from tinyops.firmware.project import RUNTIME, sources
from tinyops.firmware.templating import render

WAYS = "port/arduino/ways"  # below the runtime
# What carries a collector's bytes, by the file that carries results.
WIFI: Mapping[str, str] = {"esp32wifi": "wifi_esp32"}


@dataclass(frozen=True)
class ChosenWays:
    """The radios that a collector answers on, beside its serial line."""

    ble: Act | None
    wifi: str  # a file below `WAYS`, "": none

    @property
    def files(self) -> tuple[str, ...]:
        return (*(["ble"] if self.ble else []), *([self.wifi] if self.wifi else []))

    @property
    def libraries(self) -> tuple[str, ...]:
        return self.ble.libraries if self.ble else ()


def ways_of(spec: BoardSpec) -> ChosenWays:
    """Every radio that the board's Arduino firmware knows how to use."""
    assert spec.arduino is not None
    known = spec.arduino.acts
    http = known.get("http")
    wifi = WIFI.get(http.file, "") if http and spec.settings_flash else ""
    return ChosenWays(ble=known.get("ble"), wifi=wifi)


def files_of(request: Request, facts: Contract, driver: Any, sensor: str) -> dict[str, bytes]:
    """The program, and what it is made of beside the port and the sensor's driver."""
    ways = ways_of(request.spec)
    given = {"driver": driver, "sensor": sensor, "ways": ways.files, "ble": ways.ble, "wifi": ways.wifi}
    settings = settings_values(request.spec) if ways.wifi else {}
    files = {
        "src/main.cpp": render("collector.cpp.j2", **collector.signal_values(request, facts), **given),
        **collector.signal_header(request, facts, **settings),
        **collector.parts(),
        **sources("digest", "src/digest"),  # ports digest their flash, if asked
    }
    if ways.files:
        names = ["way.h", "ways.cpp", *(f"{name}.cpp" for name in ways.files)]
        files |= {f"src/arduino/{name}": (RUNTIME / WAYS / name).read_bytes() for name in names}
        files["src/arduino/library.h"] = (RUNTIME / "port/arduino/sensors/library.h").read_bytes()
    if ways.wifi:
        files["src/settings/settings.c"] = (RUNTIME / "settings/settings.c").read_bytes()
    return files
