"""Takes: written and read back, opened by numpy alone, refused when they are something else."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from tinyops.datasets.take import Clock, Take, TakeFacts, read_take, take_bytes
from tinyops.errors import SpecError

FACTS = TakeFacts(
    sensor="imu",
    channels=("ax", "ay"),
    units=("g", "g"),
    full_scale=(4.0, 2.0),
    rate_hz=100.0,
    clock=Clock(source="device", measured_hz=99.84, jitter_ms=0.1),
    started="2026-11-29T20:15:00Z",
    gaps=((3, 2),),
)
VALUES = np.arange(20, dtype=np.int16).reshape(10, 2)


def test_what_is_written_is_read() -> None:
    data = take_bytes(Take(FACTS, VALUES))
    found = read_take(data, "a.take")
    assert found.facts == FACTS
    assert np.array_equal(found.values, VALUES)
    assert found.facts.lost == 2
    assert np.allclose(found.physical()[1], [2 * 4 / 32768, 3 * 2 / 32768])
    assert data == take_bytes(found)


def test_numpy_opens_it() -> None:
    with np.load(io.BytesIO(take_bytes(Take(FACTS, VALUES))), allow_pickle=False) as archive:
        assert np.array_equal(archive["values"], VALUES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (VALUES.astype(np.float64), "are float64, not int16"),
        (VALUES.reshape(-1, 1), "frames of 2"),
        (VALUES[:2], "gaps"),
    ],
)
def test_what_does_not_agree_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_take(take_bytes(Take(FACTS, values)), "a.take")


def test_a_compressed_one_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("take.json", b"{}")
        archive.writestr("values.npy", b"\0" * 10_000)
    with pytest.raises(SpecError, match="is compressed"):
        read_take(out.getvalue(), "a.take")


@pytest.mark.parametrize("cut", [0, 10, 100, 400])
def test_a_truncated_one_is_refused(cut: int) -> None:
    with pytest.raises(SpecError, match=r"a\.take: not a take"):
        read_take(take_bytes(Take(FACTS, VALUES))[:cut], "a.take")
