"""The repository's own example, and the package sources it pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.specs import load_repository, window
from tinyops.specs.model import WheelSource

ROOT = Path(__file__).parents[3]


def test_loads_and_means_what_it_says() -> None:
    repository = load_repository(ROOT, catalog=load_catalog())
    wrist = {"nano33ble", "microbit", "linux", "pico", "raspberrypi4", "phone"}
    assert set(repository.fleets["wrist"].document.spec.boards) == wrist
    signal = repository.datasets["motions"].document.spec.signal
    assert signal.frame_values == 6
    assert window(repository.models["activity"].document.spec, signal) == (40, 10)
    images = repository.datasets["digits"].document.spec.signal
    assert images.frame_values == 64
    assert window(repository.models["digits"].document.spec, images) == (1, 1)


def test_the_replayed_walk_is_a_recording_of_the_dataset() -> None:
    repository = load_repository(ROOT, catalog=load_catalog())
    signal = repository.datasets["motions"].document.spec.signal
    lines = (ROOT / "specs/data/walk.csv").read_text().splitlines()
    assert tuple(lines[0].split(",")) == signal.channels
    frames = [[float(value) for value in line.split(",")] for line in lines[1:]]
    assert len(frames) == 100
    assert all(abs(v) < f for frame in frames for v, f in zip(frame, signal.full_scale, strict=True))


SHA = "sha256:" + "0" * 64


def wheel(**fields: object) -> WheelSource:
    values = {"kind": "wheel", "package": "scikit-learn", "version": "1.9.1", "sha256": SHA, "members": ["a"]}
    return WheelSource.model_validate({**values, "format": "csv.gz", **fields})


def test_a_wheel_for_all_systems_needs_no_tags() -> None:
    assert wheel().pip_arguments() == ("--no-deps", "--only-binary=:all:", "scikit-learn==1.9.1")


def test_an_exact_wheel_is_asked_for_by_its_tags() -> None:
    source = wheel(file="scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl")
    assert source.pip_arguments() == (
        *("--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "311", "--abi", "cp311"),
        *("--platform", "manylinux_2_27_x86_64", "--platform", "manylinux_2_28_x86_64"),
        "scikit-learn==1.9.1",
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"file": "numpy-1.9.1-cp311-cp311-linux_x86_64.whl"}, "is not a wheel of scikit-learn 1.9.1"),
        ({"file": "scikit_learn-1.9.0-cp311-cp311-linux_x86_64.whl"}, "is not a wheel of scikit-learn 1.9.1"),
        ({"file": "scikit-learn.whl"}, "a wheel is named"),
        ({"file": "../scikit_learn-1.9.1-cp311-cp311-linux_x86_64.whl"}, "a wheel is named"),
        ({"package": "--index-url=x"}, "a package is named as in pip install"),
        ({"version": "1.*"}, "a version is exact"),
        ({"version": ">=1"}, "a version is exact"),
    ],
)
def test_nothing_but_names_and_versions_reaches_pip(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wheel(**fields)
