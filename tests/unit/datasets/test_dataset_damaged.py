"""Files that were whole once: whatever became of them is read, or refused with a sentence."""

import io

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import wavfile

from tinyops.datasets.formats import FORMATS
from tinyops.datasets.recording import STRICT, Leniency
from tinyops.datasets.take import Clock, Take, TakeFacts, take_bytes
from tinyops.errors import SpecError
from tinyops.specs.model import Signal

STREAM = Signal(sensor="imu", channels=("ax", "ay"), units=("g", "g"), full_scale=(2, 2), rate_hz=10)
IMAGE = Signal(sensor="camera", channels=("i",), units=("level",), full_scale=(255,), size=(2, 3))
ALL = Leniency(adapt=frozenset({"rate", "size", "channels"}), repair=True)
FACTS = TakeFacts(
    sensor="imu", channels=("ax", "ay"), units=("g", "g"), rate_hz=10, clock=Clock(source="file"), started=""
)


def whole(kind: str) -> bytes:
    out = io.BytesIO()
    values = np.arange(18, dtype=np.float32).reshape(9, 2)
    if kind in ("png", "jpg", "bmp"):
        Image.fromarray(np.full((2, 3), 9, np.uint8)).save(out, {"jpg": "JPEG"}.get(kind, kind.upper()))
    elif kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({"ax": values[:, 0], "ay": values[:, 1]}), out)
    elif kind == "wav":
        wavfile.write(out, 10, values / 20)
    elif kind == "take":
        out.write(take_bytes(Take(FACTS, values)))
    else:
        {"npy": np.save, "npz": np.savez}[kind](out, values)
    return out.getvalue()


KINDS = ("png", "jpg", "bmp", "parquet", "wav", "take", "npy", "npz")
WHOLE = {kind: whole(kind) for kind in KINDS}
SIGNALLED = {kind: np.float32(7 / 20 if kind == "wav" else 7) for kind in ("parquet", "wav", "npy")}  # a value of each


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_file_is_read(kind: str) -> None:
    signal = IMAGE if kind in ("png", "jpg", "bmp") else STREAM
    (found,) = FORMATS[kind](WHOLE[kind], signal, "x")
    assert found.values.shape == ((1, 6) if signal is IMAGE else (9, 2))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), min_size=1, max_size=4), keep=st.floats(0, 1))
def test_a_damaged_file_is_read_or_refused(kind: str, edits: list[tuple[float, bytes]], keep: float) -> None:
    data = bytearray(WHOLE[kind])
    for place, text in edits:
        at = int(place * len(data))
        data[at : at + len(text)] = text
    signal = IMAGE if kind in ("png", "jpg", "bmp") else STREAM
    for bytes_ in (bytes(data), bytes(data[: int(keep * len(data))])):
        for leniency in (STRICT, ALL):
            try:
                for item in FORMATS[kind](bytes_, signal, "x", leniency):
                    assert item.values.shape[1] == signal.frame_values
            except SpecError as error:
                assert error.message.startswith("x")


@pytest.mark.parametrize("kind", ["parquet", "wav", "npy"])
def test_a_nan_that_signals_is_a_nan(kind: str) -> None:
    data, at = WHOLE[kind], WHOLE[kind].rindex(SIGNALLED[kind].tobytes())
    (found,) = FORMATS[kind](data[:at] + b"\x01\x00\x80\x7f" + data[at + 4 :], STREAM, "x")
    assert np.isnan(found.values).sum() == 1


def test_a_nan_that_signals_in_a_take_is_a_nan() -> None:
    values = np.arange(18, dtype="<f4").reshape(9, 2)
    values.view("<u4")[3, 1] = 0x7F800001
    (found,) = FORMATS["take"](take_bytes(Take(FACTS, values)), STREAM, "x")
    assert np.argwhere(np.isnan(found.values)).tolist() == [[3, 1]]
