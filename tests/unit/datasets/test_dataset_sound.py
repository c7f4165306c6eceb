"""WAV files: what writers make and what broken ones leave."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from fakes.staged import SHARED
from tinyops.datasets.formats import FORMATS
from tinyops.datasets.recording import Leniency
from tinyops.errors import SpecError
from tinyops.features.values import counts_from_values
from tinyops.specs.model import Signal

MONO = Signal(sensor="microphone", channels=("sound",), units=("1",), full_scale=(1,), rate_hz=16000)
STEREO = Signal(sensor="microphone", channels=("l", "r"), units=("1", "1"), full_scale=(1, 2), rate_hz=8000)
SAMPLES = np.array([0, 1, -1, 32767, -32768, 12345], np.int16)


def pcm(data: bytes, width: int, *, channels: int = 1, rate: int = 16000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(data)
    return out.getvalue()


def read(data: bytes, signal: Signal = MONO, **leniency: object) -> np.ndarray:
    (found,) = FORMATS["wav"](data, signal, "x.wav", Leniency(**leniency))  # type: ignore[arg-type]
    return found.values


@pytest.mark.parametrize(
    ("width", "data", "wanted"),
    [
        (1, bytes([0, 128, 255]), [-1, 0, 127 / 128]),
        (2, struct.pack("<3h", -32768, 1, 32767), [-1, 1 / 32768, 32767 / 32768]),
        (3, b"\x00\x00\x80\x01\x00\x00\xff\xff\x7f", [-1, 2.0**-23, 1 - 2.0**-23]),
        (4, struct.pack("<3i", -(2**31), 1, 2**31 - 1), [-1, 2.0**-31, 1 - 2.0**-31]),
    ],
)
def test_integers_of_every_width_become_values_up_to_full_scale(width: int, data: bytes, wanted: list[float]) -> None:
    assert read(pcm(data, width))[:, 0].tolist() == wanted


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_read(dtype: type) -> None:
    out = io.BytesIO()
    wavfile.write(out, 16000, np.array([0.5, -1, 0.25], dtype))
    assert read(out.getvalue())[:, 0].tolist() == [0.5, -1, 0.25]


def test_a_file_of_16_bits_gives_its_own_samples_as_counts() -> None:
    counts = counts_from_values(read(pcm(SAMPLES.tobytes(), 2)), MONO.full_scale)
    assert counts[:, 0].tolist() == SAMPLES.tolist()


def test_each_channel_has_its_own_scale() -> None:
    found = read(pcm(struct.pack("<4h", 16384, 16384, -16384, 0), 2, channels=2, rate=8000), STEREO)
    assert found.tolist() == [[0.5, 1.0], [-0.5, 0.0]]


def test_an_extensible_header_names_its_codec_later() -> None:
    head = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16000, 32000, 2, 16, 22, 16, 4) + b"\x01\x00" + bytes(14)
    body = SAMPLES.tobytes()
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(body)) + body
    found = read(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)
    assert (found[:, 0] * 32768).tolist() == SAMPLES.tolist()


def test_chunks_of_odd_length_before_the_sound_are_passed_over() -> None:
    whole = pcm(SAMPLES.tobytes(), 2)
    odd = whole[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + whole[36:]
    assert (read(odd)[:, 0] * 32768).tolist() == SAMPLES.tolist()


@pytest.mark.parametrize("cut", [1, 2, 5, 10])
def test_a_truncated_file_is_refused_or_repaired_to_whole_frames(cut: int) -> None:
    data = pcm(SAMPLES.tobytes(), 2)[:-cut]
    there = (12 - cut) // 2
    with pytest.raises(SpecError, match=rf"x.wav: truncated: {there} of 6 frames are there\n.*data add --repair"):
        read(data)
    said: list[str] = []
    assert (read(data, repair=True, say=said.append)[:, 0] * 32768).tolist() == SAMPLES[:there].tolist()
    assert said == [f"x.wav: truncated: {there} of 6 frames are there; those are kept"]


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_stream_of_unknown_length_goes_to_the_end_of_the_file(length: int) -> None:
    whole = pcm(SAMPLES.tobytes(), 2)
    streamed = whole[:40] + struct.pack("<I", length) + whole[44:] + b"\x01"
    assert (read(streamed)[:, 0] * 32768).tolist() == SAMPLES.tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "no chunk `fmt ` before its sound"),
        (pcm(b"", 2), "holds no frames"),
        (pcm(SAMPLES.tobytes(), 2)[:43], "holds no sound: it ends too early"),
        (pcm(SAMPLES.tobytes(), 2)[:44], "0 of 6 frames are there\n  bring the whole file"),
        (pcm(SAMPLES.tobytes(), 2).replace(b"\x01\0\x01\0", b"\x11\0\x01\0", 1), "compressed as IMA ADPCM"),
        (pcm(SAMPLES.tobytes(), 2).replace(b"\x01\0\x01\0", b"\x01\0\0\0", 1), "0 channels of 16 bits"),
        (pcm(SAMPLES.tobytes(), 2, channels=2), r"has 2 channels, the dataset's signal has 1\n.*adapt: \[channels\]"),
        (pcm(SAMPLES.tobytes(), 2, rate=8000), r"8000 Hz, the dataset's signal has 16000 Hz\n.*adapt: \[rate\]"),
        (b"RF64" + bytes(40), "RF64"),
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read(data)


def test_what_the_spec_allows_is_resampled_and_mixed() -> None:
    time = np.arange(4410) / 44100
    left = (np.sin(2 * np.pi * 440 * time) * 20000).astype(np.int16)
    data = pcm(np.stack([left, left], axis=1).tobytes(), 2, channels=2, rate=44100)
    found = read(data, adapt=frozenset({"rate", "channels"}))
    assert found.shape == (1600, 1)
    wanted = np.sin(2 * np.pi * 440 * np.arange(1600) / 16000) * 20000 / 32768
    assert np.abs(found[100:-100, 0] - wanted[100:-100]).max() < 0.01


def test_a_rate_too_far_away_is_refused_even_then() -> None:
    data = pcm(SAMPLES.tobytes(), 2, rate=1)
    with pytest.raises(SpecError, match="1 Hz cannot be resampled to 16000 Hz"):
        read(data, adapt=frozenset({"rate"}))


def test_real_files_equal_what_python_reads() -> None:
    folder = SHARED / "datasets" / "speech_commands_test_subset" / "yes"
    if not folder.is_dir():
        pytest.skip("the speech commands are not in the shared data (TINYOPS_SHARED_DATA)")
    for path in sorted(folder.glob("*.wav"))[:5]:
        with wave.open(str(path)) as reader:
            wanted = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        assert (read(Path(path).read_bytes())[:, 0] * 32768).tolist() == wanted.tolist()
