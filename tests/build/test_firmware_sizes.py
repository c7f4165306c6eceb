"""The promises on size, measured in the files that boards are flashed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.footprint import measure

pytestmark = pytest.mark.build

KIB = 1024


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))


def test_the_whole_application_fits_24_kb_of_flash_and_8_kb_of_ram_on_a_microbit(tmp_path: Path) -> None:
    found = measure("microbit", tmp_path)
    assert found.model_weights > 2000 and found.model_code > 4000, "the model is there"
    assert found.flash <= 24 * KIB, found
    assert found.ram <= 8 * KIB, found


def test_the_runtime_without_the_model_fits_12_kb_on_a_cortex_m4(tmp_path: Path) -> None:
    """Application, management, health and port: a model image brings its kernels along."""
    found = measure("nano33ble", tmp_path)
    assert found.firmware <= 12 * KIB, found
