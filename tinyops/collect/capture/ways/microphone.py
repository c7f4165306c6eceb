"""This machine's microphone, or any other ALSA device: `arecord` in a pipe."""

from __future__ import annotations

from tinyops.collect.capture.ways.kind import Opening, Stream, Traits
from tinyops.collect.capture.ways.programs import ProgramStream
from tinyops.errors import SpecError, UsageError

BUFFER_US = 2_000_000
HINT = "on Debian or Ubuntu: apt-get install alsa-utils"


class MicrophoneWay:
    """By ALSA's name; `arecord -L` lists them."""

    option, metavar, default = "--microphone", "DEVICE", "default"
    about = "this machine's microphone, or an ALSA device by name (`arecord -L`)"
    traits = Traits(format="samples")

    def check(self, address: str) -> None:
        if not address or address.startswith("-") or not address.isprintable() or len(address) > 200:
            raise UsageError(f"--microphone {address[:40]!r} is no ALSA device", hint="`arecord -L` lists them")

    def open(self, address: str, opening: Opening) -> Stream:
        signal = opening.signal
        rate = signal.rate_hz
        if rate is None or rate != int(rate):
            raise SpecError(
                "a microphone gives samples at a whole number of hertz, and the dataset's signal has no such rate_hz",
                hint="signal: {sensor: microphone, channels: [sound], units: ['1'], full_scale: [1], rate_hz: 16000}",
            )
        argv = ["arecord", "-q", "-D", address, "-t", "raw", "-f", "S16_LE", "-r", str(int(rate))]
        # What an overrun loses arecord does not count: it ends instead, and the take with it.
        argv += ["-c", str(len(signal.channels)), f"--buffer-time={BUFFER_US}", "--fatal-errors"]
        return ProgramStream(f"microphone {address}", argv, HINT)
