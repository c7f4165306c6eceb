"""Recordings that stand in for a board's sensor: files of a person's in, what an emulator replays out."""

from __future__ import annotations

import contextlib
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tinyops.boards.model import SensorFacts
from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, read_bounded
from tinyops.specs.board_rules import sensor_mismatches
from tinyops.specs.model import Signal

# The same in runtime/port/sim/replay.c.
MAGIC = 0x31505254
HEADER = struct.Struct("<6I")  # magic, values of a sample, samples, rate, flags, CRC-32 of the samples
AS_ASKED = 0xFFFFFFFF
LOOPS = 1
SAMPLES_MAX = 1 << 28
FILE_LIMIT_BYTES = 512 * MIB
RATE_HZ_MAX = 1_000_000
GRAVITY = 9.80665  # m/s2
# What models of chips take for a unit, and within which limits, by kind of sensor.
CHIPS: Mapping[str, tuple[float, int, int]] = {
    "accelerometer": (2000 / GRAVITY, -32768, 32767),
    "analog": (4096, 0, 4095),
}


@dataclass(frozen=True)
class Replay:
    """Samples of `values` numbers each, int16 counts of the contract's full scale, little-endian, one after another.

    `rate_millihz` of them are measured in 1000 seconds; None: as many as the firmware asks its sensor for; 0: as many
    as it takes. With `loop` the first follows the last. Raises SpecError for what are not whole samples.
    """

    counts: bytes
    values: int
    rate_millihz: int | None = None
    loop: bool = False

    def __post_init__(self) -> None:
        size = 2 * self.values
        if size <= 0 or not self.counts or len(self.counts) % size or len(self.counts) // size > SAMPLES_MAX:
            raise SpecError(f"{len(self.counts):,} bytes are not whole samples of {self.values} values to replay")

    @property
    def samples(self) -> int:
        return len(self.counts) // (2 * self.values)

    def file(self) -> bytes:
        rate = AS_ASKED if self.rate_millihz is None else self.rate_millihz
        flags = LOOPS if self.loop else 0
        return HEADER.pack(MAGIC, self.values, self.samples, rate, flags, zlib.crc32(self.counts)) + self.counts


@contextlib.contextmanager
def replay_file(replay: Replay | None) -> Iterator[Path | None]:
    """A file of it while an emulator runs; None for none."""
    if replay is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tinyops-replay-") as folder:
        path = Path(folder) / "recording"
        path.write_bytes(replay.file())
        yield path


def read_replay(path: Path, signal: Signal, *, rate_hz: float | None = None, loop: bool = False) -> Replay:
    """A file of recordings as a sensor of that signal would have measured it: all its recordings, one after another.

    Its format is that of its name, see tinyops/datasets/formats. Without `rate_hz` the firmware says how fast. Raises
    SpecError naming the file, and the line where there is one.
    """
    import numpy as np

    from tinyops.datasets.formats import FORMATS, format_named
    from tinyops.features.values import counts_from_values

    if rate_hz is not None and not 0 <= rate_hz <= RATE_HZ_MAX:
        raise SpecError(f"{rate_hz:g}: not a rate up to {RATE_HZ_MAX:,} Hz")
    ending = "".join(path.suffixes[-2:]).lower()[1:]  # as csv.gz
    read = format_named(ending if ending in FORMATS else path.suffix.lower()[1:], str(path))
    found = [labelled.values for labelled in read(read_bounded(path, FILE_LIMIT_BYTES), signal, str(path))]
    if not found:
        raise SpecError(f"{path}: holds no samples")
    samples = np.concatenate(found)
    repeat = samples.shape[1] // len(signal.channels)
    try:
        counts = counts_from_values(samples, signal.full_scale * repeat).astype("<i2").tobytes()
    except SpecError as error:
        raise SpecError(f"{path}: {error.message}") from error
    rate = None if rate_hz is None else round(rate_hz * 1000)
    return Replay(counts, int(samples.shape[1]), rate, loop)


def signal_of(contract: JsonObject) -> Signal:
    """The signal that a board's contract names. Raises SpecError where it takes tensors, or names none."""
    given = contract["input"]
    names = ("sensor", "channels", "units", "full_scale", "rate_hz", "size")
    known = {name: given[name] for name in names if given.get(name) is not None}
    if not given.get("frame_values") or "full_scale" not in known:
        raise SpecError("this model takes no frames of a known signal: there is nothing to replay for it")
    return Signal.model_validate(known)


def at_rate(replay: Replay, rate_hz: float | None, where: str) -> Replay:
    """The same at the rate that the firmware would ask for, where it has none of its own. Raises SpecError."""
    if replay.rate_millihz is not None:
        return replay
    if rate_hz is None:
        raise SpecError(f"{where}: its model names no rate to replay a recording at", hint="give a rate")
    return replace(replay, rate_millihz=round(float(rate_hz) * 1000))


def on_chip(replay: Replay, contract: JsonObject, facts: SensorFacts, where: str) -> Replay:
    """What a chip's model measures, all channels of the sensor's, for its driver to make those samples of it: half
    thousandths of g of an accelerometer, codes of 12 bits of a converter.

    Raises SpecError for what that sensor does not measure.
    """
    import numpy as np

    signal = signal_of(contract)
    faults = tuple(sensor_mismatches(facts, signal))
    if faults:
        raise SpecError(f"{where}: {facts.name} does not deliver this signal: {'; '.join(faults)}")
    found = at_rate(replay, signal.rate_hz, where)
    if found.rate_millihz == 0:
        raise SpecError(f"{where}: {facts.name} measures by its own clock", hint="give a rate, or none")
    counts = np.frombuffer(replay.counts, "<i2").reshape(-1, replay.values).astype(np.float64)
    values = np.zeros((len(counts), len(facts.channels)))
    for at, (channel, full_scale) in enumerate(zip(signal.channels, signal.full_scale, strict=True)):
        values[:, facts.channels.index(channel)] = counts[:, at] * full_scale / 32768
    unit, least, most = CHIPS[facts.kind]
    shown = np.clip(np.rint(values * unit), least, most).astype("<i2")
    return replace(found, counts=shown.tobytes(), values=len(facts.channels))
