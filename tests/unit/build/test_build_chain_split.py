"""The steps that cut a model over a chain: what they read, what their keys depend on, what parts' programs are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_build_steps import CATALOG, MODEL, lock

from fakes.projects import TRAINED, Repository, repository
from tinyops.artifacts import InputRef, Step
from tinyops.build.fits import model_room
from tinyops.build.steps import desired_steps
from tinyops.specs.loader import load_repository

CHAIN = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: motion
  chain:
    parts:
      - {name: near, board: microbit, sensor: {kind: stream}}
      - {name: middle, board: nano33ble}
      - {name: far, board: linux}
    links:
      - {from: near, to: middle, kind: uart, baud: 1000000, latency_ms: 2, loss: 0.125}
      - {from: middle, to: far, kind: uart}
  split: {minimise: ram, at_most_ms: 250}
  on_part_lost: {after_ms: 700}
"""
FILE = "specs/fleets.yaml"


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    return repository(tmp_path / "bench", TRAINED, CHAIN, model=MODEL)


def steps_of(bench: Repository, pins: Any = None) -> dict[str, Step]:
    found = desired_steps(load_repository(bench.root, catalog=CATALOG), pins or lock(), CATALOG)
    return {step.id: step for step in found}


def own_keys(steps: dict[str, Step]) -> dict[str, str]:
    return {i: step.key(dict.fromkeys(step.inputs, "sha256:same")) for i, step in steps.items()}


def changed(before: dict[str, Step], after: dict[str, Step]) -> set[str]:
    keys = own_keys(before), own_keys(after)
    return {i for i in {*keys[0], *keys[1]} if keys[0].get(i) != keys[1].get(i)}


def test_split_comes_before_parts_and_parts_before_what_compiles_them(bench: Repository) -> None:
    found = steps_of(bench)
    order = list(found)
    for number, step in enumerate(found.values()):
        assert all(order.index(need) < number for need in step.needs), step.id
    assert found["split:wrist"].inputs == {
        name: InputRef("squeeze:motion/int8", name) for name in ("int8.tflite", "features.json")
    }
    near, far = found["part:wrist/near"], found["part:wrist/far"]
    assert near.inputs["stream.bin"] == InputRef("squeeze:motion/int8", "stream.bin") and "stream.bin" not in far.inputs
    assert far.inputs["split.json"] == InputRef("split:wrist", "split.json") and far.settings["part"] == "far"
    compiled = found["compile:motion.wrist/far"]
    assert {ref.step for ref in compiled.inputs.values()} == {"part:wrist/far"} and "part.json" in compiled.inputs
    assert "stream.bin" in found["twin:wrist/near"].inputs and "stream.bin" not in found["twin:wrist/far"].inputs


def test_boards_and_links_are_settings_in_numbers(bench: Repository) -> None:
    said = steps_of(bench)["split:wrist"].settings
    near, middle, far = said["parts"]
    layout = CATALOG["nano33ble"].spec.layout
    assert layout is not None and middle["arena_bytes"] == layout.arena_bytes
    assert middle["room_bytes"] == model_room(CATALOG["nano33ble"]) and middle["cpu"] == "cortex-m4f"
    assert (far["room_bytes"], far["arena_bytes"]) == (None, None)
    assert near["clock_hz"] == 16_000_000
    assert said["links"][0] == {
        "kind": "uart",
        "baud": 1000000,
        "bytes_s": None,
        "latency_ms": 2.0,
        "loss": 0.125,
        "radio": False,
    }
    assert said["links"][1]["baud"] == 115200
    assert (said["minimise"], said["at_most_ms"], said["cuts"]) == ("ram", 250, "auto")


def test_only_automatic_cuts_are_kept(bench: Repository) -> None:
    assert steps_of(bench)["split:wrist"].keeps == {"keep": "cuts"}
    bench.edit(FILE, "{minimise: ram, at_most_ms: 250}", "{cuts: [1, 2]}")
    fixed = steps_of(bench)["split:wrist"]
    assert (fixed.keeps, fixed.settings["cuts"]) == ({}, [1, 2])


def test_firmware_knows_its_place_and_not_the_cuts(bench: Repository) -> None:
    before = steps_of(bench)
    places = [before[f"firmware:wrist/{name}"].settings["chain"] for name in ("near", "middle", "far")]
    assert [(p["position"], p["parts"], p["after_ms"]) for p in places] == [(0, 3, 700), (1, 3, 700), (2, 3, 700)]
    assert (places[0]["upstream"], places[0]["downstream"]) == (None, {"kind": "uart", "baud": 1000000, "wired": True})
    assert (places[1]["upstream"]["baud"], places[1]["downstream"]["baud"]) == (1000000, 115200)
    contracts = [before[f"firmware:wrist/{name}"].settings["contract"] for name in ("near", "far")]
    assert [c["part"] for c in contracts] == [{"position": 0, "parts": 3}, {"position": 2, "parts": 3}]
    bench.edit(FILE, "{minimise: ram, at_most_ms: 250}", "{cuts: [1, 2]}")
    assert changed(before, steps_of(bench)) == {"split:wrist"}


def test_what_changes_a_link_or_how_long_a_part_waits(bench: Repository) -> None:
    before = steps_of(bench)
    bench.edit(FILE, "latency_ms: 2", "latency_ms: 3")
    assert changed(before, steps_of(bench)) == {"split:wrist"}
    before = steps_of(bench)
    bench.edit(FILE, "after_ms: 700", "after_ms: 800")
    moved = changed(before, steps_of(bench))
    assert {f"firmware:wrist/{name}" for name in ("near", "middle", "far")} <= moved
    assert not {i for i in moved if i.startswith(("split:", "part:", "compile:", "image:"))}


def test_another_compiler_measures_parts_again(bench: Repository) -> None:
    pins = lock(tinyops={"compiler": "sha256:" + "d" * 64})
    moved = changed(steps_of(bench), steps_of(bench, pins))
    assert "split:wrist" in moved and "part:wrist/near" not in moved
