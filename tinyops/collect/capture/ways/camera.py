"""This machine's camera, or a film that stands for one: `ffmpeg` in a pipe, images in the dataset's size."""

from __future__ import annotations

from pathlib import Path

from tinyops.collect.capture.ways.kind import Opening, Stream, Traits
from tinyops.collect.capture.ways.programs import ProgramStream
from tinyops.errors import SpecError, UsageError

LAVFI = "lavfi:"
RATE_HZ, RATE_MAX_HZ = 1.0, 240.0
FORMATS = {1: "gray", 3: "rgb24"}
HINT = "on Debian or Ubuntu: apt-get install ffmpeg"


class CameraWay:
    """By its device file; a film's path or `lavfi:…` (ffmpeg's own pictures) stand for a camera."""

    option, metavar, default = "--camera", "DEVICE", "/dev/video0"
    about = "this machine's camera, a film, or lavfi:testsrc"
    traits = Traits(format="pixels")

    def check(self, address: str) -> None:
        if address.startswith(LAVFI):
            return
        if not address or "://" in address or not Path(address).exists():
            raise UsageError(f"--camera {address[:80]}: there is no such camera or film", hint="such as /dev/video0")

    def open(self, address: str, opening: Opening) -> Stream:
        signal = opening.signal
        if signal.size is None or len(signal.channels) not in FORMATS:
            raise SpecError(
                "a camera gives images, and the dataset's signal is none of 1 or 3 channels with a size",
                hint="signal: {sensor: camera, channels: [light], units: ['1'], full_scale: [1], size: [96, 96]}",
            )
        rate_hz = RATE_HZ if opening.rate_hz is None else opening.rate_hz
        if not 0.001 <= rate_hz <= RATE_MAX_HZ:
            raise UsageError(f"--rate {rate_hz:g} is not 0.001 to {RATE_MAX_HZ:g} images a second")
        height, width = signal.size
        pixels = FORMATS[len(signal.channels)]
        argv = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", *_input(address), "-an"]
        argv += ["-vf", f"fps={rate_hz:g},scale={width}:{height}:flags=area,format={pixels}"]
        argv += ["-f", "rawvideo", "-pix_fmt", pixels, "pipe:1"]
        return ProgramStream(f"camera {address}", argv, HINT)


def _input(address: str) -> tuple[str, ...]:
    if address.startswith(LAVFI):
        return ("-re", "-f", "lavfi", "-i", address.removeprefix(LAVFI))
    if Path(address).is_char_device():
        return ("-f", "v4l2", "-i", address)
    return ("-re", "-protocol_whitelist", "file", "-i", f"file:{address}")
