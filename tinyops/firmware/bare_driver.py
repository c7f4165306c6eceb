"""The board's own sensor that a bare-metal firmware reads: an application's, or a collector's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.firmware.project import sources
from tinyops.firmware.templating import comment

FOLDER = "sensor"  # of the project, below src
SHARED = "port/sensors"  # below the runtime: what every driver is written against
PER_MILLI = 32768 * 65536 / 1000  # counts for a thousandth of a unit, times 65536, where 1 is full scale


@dataclass(frozen=True)
class BareDriver:
    """A driver of the port's, and what the contract's channels are to it."""

    sensor: str
    part: str
    folder: str  # below the runtime
    channels: tuple[int, ...]  # which of the sensor's each is
    per_milli: tuple[int, ...]  # of each: see runtime/port/sensors/sensor_signal.h

    @property
    def title(self) -> str:
        return comment(f"{self.sensor}, {self.part}" if self.part else self.sensor)


def bare_driver_of(
    board: str, spec: BoardSpec, sensor: JsonObject | str, channels: Sequence[str], full_scale: Sequence[float]
) -> BareDriver | None:
    """None where frames come from elsewhere, or nothing of ours reads that sensor. Raises SpecError for a contract that
    names other channels than the sensor has."""
    name = str(sensor.get("name")) if isinstance(sensor, dict) and sensor.get("kind") == "onboard" else ""
    folder, facts = spec.drivers.get(name), next((s for s in spec.sensors if s.name == name), None)
    if folder is None or facts is None:
        return None
    missing = sorted(set(channels) - set(facts.channels))
    if missing or not channels or len(channels) != len(full_scale):
        wrong = (
            f"{name} of {board} has no channel {missing[0]}" if missing else "it names no full scale of each channel"
        )
        raise SpecError(f"contract.json: {wrong}")
    return BareDriver(
        sensor=name,
        part=facts.part,
        folder=f"port/{spec.port}/{folder}",
        channels=tuple(facts.channels.index(channel) for channel in channels),
        per_milli=tuple(round(PER_MILLI / scale) for scale in full_scale),
    )


def driver_files(driver: BareDriver | None) -> dict[str, bytes]:
    """The driver's C under its place in the project."""
    if driver is None:
        return {}
    return sources(driver.folder, f"src/{FOLDER}") | sources(SHARED, f"src/{FOLDER}")
