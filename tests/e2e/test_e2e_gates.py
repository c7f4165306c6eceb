"""What is not good enough or does not fit holds its fleet back, says so in figures, and nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from fakes.projects import (
    FINISHED,
    STREAM,
    WITHOUT_DATA,
    Repository,
    applied_finished,
    finished_model,
    fleet,
    locked,
    repository,
)
from fakes.tflite import Tflite

pytestmark = pytest.mark.build

FLEETS = "specs/fleets.yaml"
OTHER = WITHOUT_DATA.replace("{name: tiny}", "{name: other}").replace("tiny.tflite", "other.tflite")


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    return applied_finished().copy(tmp_path / "bench")


def add_gate(bench: Repository, least: float) -> None:
    bench.edit(FLEETS, "spec:\n  dataset: shakes\n", f"spec:\n  gates: {{accuracy_min: {least}}}\n  dataset: shakes\n")


def other_weights(bench: Repository) -> None:
    """Another file for model tiny, as someone would who made it better."""
    old = hashlib.sha256((bench.root / "models" / "tiny.tflite").read_bytes()).hexdigest()
    data = finished_model() + b"\0" * 8
    bench.write("models/tiny.tflite", data)
    bench.edit(FLEETS, old, hashlib.sha256(data).hexdigest())


def add_second_fleet(bench: Repository) -> None:
    data = finished_model(inputs=8)
    bench.write("models/other.tflite", data)
    more = OTHER.replace("SHA256", "sha256:" + hashlib.sha256(data).hexdigest())
    text = (bench.root / FLEETS).read_text()
    bench.write(FLEETS, "---\n".join([text, more, fleet("shelf", "other", {"linux": STREAM})]))


def test_a_missed_gate_holds_its_fleet_and_lets_the_others_go_ahead(bench: Repository) -> None:
    before = bench.digests()
    entry = bench.manifest()["fleets"]["desk"]
    add_gate(bench, 0.9)
    other_weights(bench)
    add_second_fleet(bench)
    done = bench.run("apply")
    assert done.code == 67
    assert "held: fleet desk keeps what it has:" in done.err
    assert "accuracy_min: 0.900 wanted, the 95 % interval of 0.500 starts at 0.150" in done.err
    assert done.out.startswith("Published v2 of bench.")
    manifest = bench.manifest()
    (held,) = manifest["held"]
    assert (held["fleet"], held["since"]) == ("desk", 2)
    assert held["reason"] == "accuracy_min: 0.900 wanted, the 95 % interval of 0.500 starts at 0.150"
    assert {n: d for n, d in bench.digests().items() if n.startswith("desk")} == before
    assert {**manifest["fleets"]["desk"], "carried": None} == entry
    assert manifest["fleets"]["desk"]["carried"]["version"] == 1
    assert "shelf" in manifest["fleets"]

    again = bench.run("apply", "--json")
    assert again.code == 67
    assert (again.json["published"], again.json["version"]) == (False, 2)
    assert list(again.json["missed"]) == ["desk"]

    bench.edit(FLEETS, "accuracy_min: 0.9", "accuracy_min: 0.1")
    assert bench.ok("apply").built == []  # built when it was held
    assert bench.manifest()["held"] == []
    assert bench.manifest()["fleets"]["desk"].get("carried") is None
    assert bench.run("plan", "--detailed-exitcode").code == 0


def test_a_missed_gate_is_lifted_by_name_for_one_model_and_the_release_says_so(bench: Repository) -> None:
    add_gate(bench, 0.9)
    other_weights(bench)
    held = bench.run("apply")
    assert held.code == 67
    pasted = re.search(r"it moves with (\{gate: accuracy_min, digest: \"sha256:[0-9a-f]{64}\".*\}) under", held.err)
    assert pasted is not None
    line = pasted[1]
    for word in ("shown to the safety board", "mia", "2999-12-31"):
        line = line.replace("…", word, 1)
    bench.edit(FLEETS, "spec:\n  model: tiny\n", f"spec:\n  model: tiny\n  overrides: [{line}]\n")
    moved = bench.ok("apply")
    assert moved.built == []
    assert "overridden: fleet desk moves without accuracy_min, by mia: shown to the safety board" in moved.err
    entry = bench.manifest()["fleets"]["desk"]
    assert (entry["overridden"][0]["author"], entry.get("carried")) == ("mia", None)
    assert bench.run("plan", "--detailed-exitcode").code == 0

    bench.edit(FLEETS, "2999-12-31", "2020-01-01")
    assert bench.run("plan").code == 67


def test_a_board_that_costs_more_than_its_fleet_allows_holds_the_fleet(bench: Repository) -> None:
    bench.edit(
        FLEETS, "spec:\n  model: tiny\n", "spec:\n  model: tiny\n  gates: {growth_max: 0, flash_bytes_max: 20000}\n"
    )
    other_weights(bench)
    bench.ok("apply")
    bench.edit(FLEETS, "flash_bytes_max: 20000", "flash_bytes_max: 4000")
    done = bench.run("plan")
    assert done.code == 67
    assert re.search(r"flash_bytes_max: microbit: 1\d,\d{3} bytes of flash, at most 4,000 wanted", done.out)
    boards = "    microbit: {gates: {flash_bytes_max: 20000}, sensor"
    bench.edit(FLEETS, "    microbit: {sensor", boards)
    assert bench.run("plan", "--detailed-exitcode").code == 0
    bench.edit(FLEETS, "flash_bytes_max: 20000}", "flash_bytes_max: 20000, latency_ms_max: 3}")
    assert "latency_ms_max: microbit: was not measured" in bench.run("plan").out


def test_a_dataset_that_shrinks_by_a_large_share_holds_its_fleets(bench: Repository) -> None:
    index = bench.root / "data/shakes.index"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:12]))
    bench.ok("lock")
    done = bench.run("apply")
    assert done.code == 67
    assert "shrink_max: collect:shakes: 16 → 12 recordings, 25% fewer, limits.shrink_share is 20%" in done.err
    bench.edit("specs/project.yaml", "  signing:", "  limits: {shrink_share: 0.25}\n  signing:")
    assert bench.ok("apply").built == []


def test_a_first_release_without_the_held_fleet(tmp_path: Path) -> None:
    bench = locked(repository(tmp_path / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM})))
    add_gate(bench, 0.9)
    done = bench.run("apply")
    assert done.code == 67
    assert done.out.startswith("Nothing was published.")
    assert not list(bench.releases.glob("v*"))
    built = bench.run("plan", "--build", "--json")
    assert built.code == 67
    assert list(built.json["missed"]) == ["desk"]
    assert built.json["figures"][0]["accuracy_int8"]["point"] < 0.9  # shown: it is what the gate is about


def test_a_stricter_gate_on_what_is_released_already_is_said_by_plan_and_apply(bench: Repository) -> None:
    before = bench.manifest()
    add_gate(bench, 0.9)
    done = bench.run("plan", "--detailed-exitcode")
    assert done.code == 67
    assert "! held    fleet     desk\n        accuracy_min: 0.900 wanted" in done.out
    applied = bench.run("apply")
    assert applied.code == 67
    assert "held: fleet desk keeps what it has:\n  accuracy_min: 0.900 wanted" in applied.err
    assert (applied.built, bench.manifest()) == ([], before)


def test_proof_below_what_the_fleet_accepts_holds_it(tmp_path: Path) -> None:
    wanting = fleet("desk", "tiny", {"nano33ble": STREAM}, "  proof: same-bytes\n")
    bench = locked(repository(tmp_path / "bench", WITHOUT_DATA, wanting))
    done = bench.run("apply")
    assert done.code == 67
    assert "proof: the firmware for nano33ble is same-source, the fleet accepts same-bytes and better" in done.err
    assert not list(bench.releases.glob("v*"))
    bench.edit(FLEETS, "proof: same-bytes", "proof: same-source")
    assert bench.ok("apply").built == []


# -- what does not fit -------------------------------------------------------------------------


def wide_model(inputs: int, outputs: int) -> bytes:
    """One dense layer: weights of inputs x outputs bytes."""
    model = Tflite()
    rng = np.random.default_rng(7)
    model.tensor((1, inputs), scale=0.5, zero_point=3)
    model.tensor((outputs, inputs), scale=0.25, data=rng.integers(-9, 9, (outputs, inputs)))
    model.tensor((outputs,), "int32", scale=0.125, data=np.zeros(outputs))
    model.tensor((1, outputs), scale=64.0, zero_point=-4)
    model.operator("FULLY_CONNECTED", [0, 1, 2], [3], table="FullyConnectedOptions", fusedActivationFunction=0)
    return model.build([0], [3])


@pytest.mark.parametrize(
    ("inputs", "outputs", "short", "hold", "do_not"),
    [
        (500, 200, r"a model slot of microbit has 85,763: short by [\d,]+", {"linux", "nano33ble"}, {"uno-r4"}),
        (12_000, 2, r"test.tflite|microbit has 10,240: short by [\d,]+", {"linux", "nano33ble"}, {"mega2560"}),
        (2000, 250, r"a model slot of microbit has 85,763: short by [\d,]+", {"linux", "pico"}, {"nano33ble"}),
    ],
    ids=["slot", "arena", "not on every board"],
)
def test_what_does_not_fit_names_memory_bytes_and_boards(
    tmp_path: Path, inputs: int, outputs: int, short: str, hold: set[str], do_not: set[str]
) -> None:
    model = wide_model(inputs, outputs)
    bench = locked(
        repository(tmp_path / "bench", WITHOUT_DATA, fleet("desk", "tiny", {"microbit": STREAM}), model=model)
    )
    done = bench.run("apply", "--json")
    assert done.code == 66
    (reason,) = done.json["missed"]["desk"]
    assert re.search(short, reason), reason
    text = bench.run("apply")
    assert text.code == 66
    named = set(text.err.split("the catalogue has boards that would hold it: ")[1].splitlines()[0].split(", "))
    assert hold <= named and not (do_not | {"microbit"}) & named
    assert not list(bench.releases.glob("v*"))


def test_a_model_that_grew_out_of_its_board_leaves_the_release_alone(bench: Repository) -> None:
    before = bench.manifest()
    with_data = "  dataset: shakes\n  input: {window_s: 1, hop_s: 1, features: [raw]}\n"
    bench.edit(FLEETS, with_data, "  input: {features: [tensor]}\n")
    big = wide_model(500, 200)
    bench.write("models/tiny.tflite", big)
    bench.edit(FLEETS, hashlib.sha256(finished_model()).hexdigest(), hashlib.sha256(big).hexdigest())
    assert bench.run("apply").code == 66
    assert bench.manifest() == before
