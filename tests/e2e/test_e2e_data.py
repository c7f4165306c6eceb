"""Data that is judged on its way into a release: by plan, by the build, against what was released before."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.projects import FINISHED, STREAM, Repository, fleet, locked, repository

pytestmark = pytest.mark.build

DATA = "specs/data.yaml"
INDEXED = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: shakes}
spec:
  classes: [rest, shake]
  signal: {sensor: accelerometer, channels: [ax, ay], units: [g, g], full_scale: [2, 2], rate_hz: 10}
  sources: [{kind: recordings, index: ../data/shakes.csv}]
  split: {by: subject, test: [s1]}
"""
SUBJECTS = ("s1", "s2", "s3")


def record(bench: Repository, subject: str, shift: float = 0.0) -> None:
    """Three recordings of each class, whose second channel is `shift` off."""
    for number in range(6):
        label, size = (("rest", 0.05), ("shake", 1.5))[number % 2]
        turn = number / 50 + int(subject[1:]) / 10
        rows = [f"{size * (-1) ** i * (1 - turn / 9):.3f},{0.01 * turn * i % 0.1 + shift:.4f}" for i in range(20)]
        bench.write(f"new/{label}-{number}.csv", "ax,ay\n" + "\n".join(rows) + "\n")
    bench.ok("data", "add", "shakes", "new", "--label-from", "{}-*.csv", "--subject", subject, "--rate", "10")
    shutil.rmtree(bench.root / "new")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    bench = repository(tmp_path_factory.mktemp("data") / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM}))
    bench.write(DATA, INDEXED)
    for subject in SUBJECTS:
        record(bench, subject)
    locked(bench).ok("apply")
    return bench


@pytest.fixture
def bench(released: Repository, tmp_path: Path) -> Repository:
    return released.copy(tmp_path / "bench")


def test_a_release_says_what_its_data_is_made_of_and_who_is_on_which_side(bench: Repository) -> None:
    facts = bench.manifest()["steps"]["collect:shakes"]["facts"]
    assert facts["population"]["counts"] == {"rest": 9, "shake": 9}
    assert facts["subjects"] == {"train": ["s2", "s3"], "test": ["s1"]}
    done = bench.ok("plan", "--detailed-exitcode")
    assert "No changes." in done.out and "drift" not in done.out
    assert bench.ok("data", "check").out == "shakes: nothing to say.\n"


def test_a_plan_needs_the_index_and_neither_files_nor_network(bench: Repository) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody make a network namespace")
    record(bench, "s7")
    bench.edit(DATA, "data/shakes.csv}", "data/shakes.csv, url: https://data.example.org/shakes}")
    before = bench.ok("plan").out
    shutil.rmtree(bench.root / "data" / "shakes")
    command = [unshare, "-rn", *bench.command("plan")]
    done = subprocess.run(command, cwd=bench.root, env=bench.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, before)
    assert "update  collect   shakes" in before and "file.index-0 sha256:" in before


def test_drift_is_a_warning_and_holds_where_the_spec_says_so(bench: Repository) -> None:
    for subject in ("s4", "s5", "s6"):
        record(bench, subject, shift=1.2)
    bench.ok("lock")  # which pins the index
    before = bench.digests()
    said = "drift: other values than were released: ay of rest "
    done = bench.ok("plan")
    assert f"! warning data      shakes: {said}" in done.out and "update  collect   shakes" in done.out
    assert f"- ! `shakes: {said}" in bench.ok("plan", "--markdown").out
    bench.edit(DATA, "  split:", "  checks: {drift: {level: error}}\n  split:")
    done = bench.run("plan", "--json")
    assert done.code == 65 and [f["level"] for f in done.json["findings"]] == ["error"]
    done = bench.run("apply")
    assert done.code == 67
    assert "held: fleet desk keeps what it has:\n  checks.drift: other values than were released" in done.err
    assert bench.digests() == before
    bench.edit(DATA, "level: error", "level: warning")
    bench.ok("apply")
    assert bench.manifest()["steps"]["collect:shakes"]["facts"]["population"]["counts"] == {"rest": 18, "shake": 18}
    assert "drift" not in bench.ok("plan").out  # it is what was released now


def spoiled(bench: Repository, cell: str, value: object) -> None:
    """The first line of the index with another cell."""
    index = bench.root / "data" / "shakes.csv"
    lines = index.read_text().splitlines()
    columns, cells = lines[0].split(","), lines[1].split(",")
    cells[columns.index(cell)] = str(value)
    index.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    bench.ok("lock")


def test_what_plan_foresees_by_the_index_the_build_finds(bench: Repository) -> None:
    spoiled(bench, "rate_hz", 20)
    text = "rate: 1 recording more than 10% off the signal's 10 Hz"
    foreseen = bench.run("plan")
    assert foreseen.code == 65 and f"✗ error   data      shakes: {text}\n        data/shakes.csv:2: " in foreseen.out
    built = bench.run("plan", "--build")
    assert built.code == 65
    assert f"held: fleet desk keeps what it has:\n  collect:shakes: {text}" in built.err
    bench.edit(DATA, "  split:", "  checks: {rate: {level: warning}}\n  split:")
    done = bench.ok("apply")
    assert f"! warning data      shakes: {text}" in done.err
    kept = bench.manifest()["steps"]["collect:shakes"]["facts"]["warnings"]
    assert [(w["check"], w["level"], w["total"]) for w in kept] == [("rate", "warning", 1)]
