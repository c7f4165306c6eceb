"""Specs, lock and catalogue as steps: which there are, in which order, and what their keys depend on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import DESK, FINISHED, STREAM, TRAINED, WITHOUT_DATA, Repository, fleet, repository
from fakes.slotted import slotted
from tinyops.artifacts import InputRef, Step
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.build.steps import desired_steps
from tinyops.images import Kind, body_max
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import Lock, TinyopsPins

CATALOG = load_catalog()
MODEL = b"a model that nobody opens"
WRIST = fleet("wrist", "motion", {"microbit": STREAM, "linux": STREAM})
LOCK: dict[str, Any] = {
    "compilers": {"arm-none-eabi-gcc": "12.2.1", "gcc": "12.2.0"},
    "emulators": {"qemu-system-arm": "7.2"},
    "python": dict.fromkeys(("numpy", "keras", "tensorflow-cpu", "tflite-micro", "platformio", "scons"), "1.0"),
}


def lock(**changes: Any) -> Lock:
    pins = {"version": "0.1.0", "compiler": "sha256:" + "c" * 64, "firmware": "sha256:" + "f" * 64}
    return Lock(tinyops=TinyopsPins(**{**pins, **changes.pop("tinyops", {})}), **{**LOCK, **changes})


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    return repository(tmp_path / "bench", TRAINED, FINISHED, WRIST, DESK, model=MODEL)


def steps_of(bench: Repository, pins: Lock | None = None, catalog: Any = CATALOG) -> dict[str, Step]:
    found = desired_steps(load_repository(bench.root, catalog=catalog), pins or lock(), catalog)
    assert len({step.id for step in found}) == len(found)
    return {step.id: step for step in found}


def own_keys(steps: dict[str, Step]) -> dict[str, str]:
    """Keys as if every input stayed the same: what differs is a step's own."""
    return {i: step.key(dict.fromkeys(step.inputs, "sha256:same")) for i, step in steps.items()}


def test_every_step_is_there_once_and_follows_its_inputs(bench: Repository) -> None:
    found = steps_of(bench)
    assert list(found) == [
        *("collect:shakes", "train:motion", "squeeze:motion/int8", "squeeze:tiny/int8"),
        *("compile:motion/linux", "compile:motion/microbit", "compile:tiny/linux"),
        *("image:motion/linux", "image:motion/microbit", "image:tiny/linux"),
        *("firmware:desk/linux", "firmware:wrist/linux", "firmware:wrist/microbit"),
        *("twin:desk/linux", "twin:wrist/linux", "twin:wrist/microbit"),
    ]
    order = list(found)
    for number, step in enumerate(found.values()):
        assert all(order.index(ref.step) < number for ref in step.inputs.values()), step.id


def test_a_taught_variant_follows_its_teacher_and_its_key_follows_what_that_learnt(bench: Repository) -> None:
    """The teacher's name comes after the student's: names do not decide on the order."""
    taught = TRAINED + "  squeeze: {variants: [int8, {width: 0.5, teacher: vast}, {per: tensor}]}\n"
    bench.edit("specs/fleets.yaml", TRAINED, taught + "---\n" + TRAINED.replace("name: motion", "name: vast"))
    found = steps_of(bench)
    student = found["train:motion/w0.5-from-vast"]
    order = list(found)
    assert order.index("train:vast") < order.index(student.id)
    files = ("float.tflite", "features.json", "training.json")
    assert {student.inputs[f"teacher.{name}"].step for name in files} == {"train:vast"}
    per_tensor = found["squeeze:motion/pt"]  # the plain variant's float model, rounded otherwise
    assert per_tensor.inputs["float.tflite"].step == "train:motion"
    assert per_tensor.settings["variant"] == {"per": "tensor"}


def test_activations_are_nothing_to_training_unless_it_learns_with_their_rounding(bench: Repository) -> None:
    grids = "int8, {width: 0.5}, {activations: int16}, {width: 0.5, activations: int16}"
    aware = "{activations: int16, quantisation_aware: true}"
    bench.edit("specs/fleets.yaml", TRAINED, TRAINED + f"  squeeze: {{variants: [{grids}, {aware}]}}\n")
    found = steps_of(bench)
    assert found["squeeze:motion/a16"].inputs["float.tflite"].step == "train:motion"
    assert found["squeeze:motion/a16"].settings["variant"] == {"activations": "int16"}
    narrow, wide = (found[f"train:motion/{name}"] for name in ("w0.5", "w0.5-a16"))
    assert narrow.settings == wide.settings  # one training, kept by what it is
    assert found["squeeze:motion/w0.5-a16"].settings["variant"] == {"width": 0.5, "activations": "int16"}
    learnt = found["train:motion/qat-a16"].settings["variant"]
    assert learnt == {"activations": "int16", "quantisation_aware": True}


def test_two_fleets_share_model_and_image_but_no_firmware(bench: Repository) -> None:
    text = (bench.root / "specs/fleets.yaml").read_text()
    bench.write("specs/fleets.yaml", "---\n".join([text, fleet("ankle", "motion", {"microbit": STREAM})]))
    assert {i for i in steps_of(bench) if "ankle" in i} == {"firmware:ankle/microbit", "twin:ankle/microbit"}


def test_a_finished_model_is_not_trained_and_without_data_nothing_is_collected(tmp_path: Path) -> None:
    bench = repository(tmp_path / "bench", WITHOUT_DATA, DESK, model=MODEL)
    bench.write("specs/data.yaml", "")
    (bench.root / "specs/data.yaml").unlink()
    found = steps_of(bench)
    assert {step.kind for step in found.values()} == {"squeeze", "compile", "image", "firmware", "twin"}
    assert list(found["squeeze:tiny/int8"].inputs) == []
    assert list(found["squeeze:tiny/int8"].sources) == ["model.tflite"]


def test_firmware_of_a_trained_model_waits_for_no_training(bench: Repository) -> None:
    found = steps_of(bench)
    assert found["firmware:wrist/microbit"].inputs == {}  # its contract follows from the specs alone
    assert [ref.step for ref in found["firmware:desk/linux"].inputs.values()] == ["compile:tiny/linux"]


Edit = Callable[[Repository], None]


def edit(file: str, old: str, new: str) -> Edit:
    return lambda bench: bench.edit(f"specs/{file}.yaml", old, new)


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (edit("fleets", "epochs: 2", "epochs: 3"), {"train:motion"}),
        (edit("fleets", "units: 4", "units: 5"), {"train:motion"}),
        (edit("fleets", "{name: wrist}", "{name: wrist, description: On an arm.}"), set()),
        (edit("data", "{name: shakes}", "{name: shakes, description: Two of them.}"), set()),
        (edit("fleets", "  model: motion\n", "  model: motion\n  devices: {max: 4}\n"), set()),
        (edit("fleets", "  dataset: shakes\n", "  gates: {accuracy_min: 0.1}\n  dataset: shakes\n"), set()),
        (edit("data", "seed: 7", "seed: 8"), {"collect:shakes"}),
    ],
)
def test_a_key_depends_on_what_decides_the_result(bench: Repository, change: Edit, changed: set[str]) -> None:
    before = own_keys(steps_of(bench))
    change(bench)
    after = own_keys(steps_of(bench))
    assert {i for i in before if before[i] != after[i]} == changed


def test_a_security_counter_is_bound_into_images_and_nothing_else_follows_it(bench: Repository) -> None:
    """It is in what the twin of a board with slots proves; other boards' firmwares and models know nothing of it."""
    slots, none = ({**CATALOG, "microbit": slotted(**changes)} for changes in ({}, {"state": None}))
    before, without = own_keys(steps_of(bench, catalog=slots)), own_keys(steps_of(bench, catalog=none))
    edit("fleets", "  model: motion\n", "  model: motion\n  security_counter: 4\n")(bench)
    after = own_keys(steps_of(bench, catalog=slots))
    assert {i for i in before if before[i] != after[i]} == {"twin:wrist/microbit"}
    assert own_keys(steps_of(bench, catalog=none)) == without


def test_a_model_has_the_room_that_a_signed_image_leaves_it(bench: Repository) -> None:
    def room(**changes: Any) -> int:
        catalog = {**CATALOG, "microbit": slotted(**changes)}
        return int(steps_of(bench, catalog=catalog)["image:motion/microbit"].settings["slot_bytes"])

    assert room(state=None) == 86016 and room() == body_max(Kind.MODEL, "microbit", 86016) < 86016


def test_the_window_decides_training_squeezing_and_the_contract(bench: Repository) -> None:
    before = own_keys(steps_of(bench))
    bench.edit(
        "specs/fleets.yaml",
        "{name: motion}\nspec:\n  dataset: shakes\n  input: {window_s: 1",
        "{name: motion}\nspec:\n  dataset: shakes\n  input: {window_s: 2",
    )
    after = own_keys(steps_of(bench))
    assert {i for i in before if before[i] != after[i]} == {
        *("train:motion", "squeeze:motion/int8", "firmware:wrist/linux", "firmware:wrist/microbit")
    }


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"compilers": {"arm-none-eabi-gcc": "13.1.0", "gcc": "12.2.0"}}, {"image", "firmware"}),
        ({"emulators": {"qemu-system-arm": "8.0"}}, {"twin"}),
        ({"tinyops": {"firmware": "sha256:" + "e" * 64}}, {"firmware", "twin"}),
        ({"tinyops": {"version": "0.2.0"}}, set()),
        ({"python": {**LOCK["python"], "keras": "2.0"}}, {"train"}),
        ({"python": {**LOCK["python"], "tflite-micro": "2.0"}}, {"squeeze"}),
        ({"python": {**LOCK["python"], "scons": "2.0"}}, {"firmware"}),
        ({"data": {"unused 1.0": "sha256:" + "1" * 64}}, set()),
    ],
)
def test_a_pin_is_in_the_keys_of_the_steps_that_use_it(
    bench: Repository, changes: dict[str, Any], kinds: set[str]
) -> None:
    before, after = own_keys(steps_of(bench)), own_keys(steps_of(bench, lock(**changes)))
    assert {i.partition(":")[0] for i in before if before[i] != after[i]} == kinds


def with_microbit(**changes: Any) -> dict[str, Board]:
    board = CATALOG["microbit"]
    return {**CATALOG, "microbit": board.model_copy(update={"spec": board.spec.model_copy(update=changes)})}


def test_cables_and_notes_of_a_board_build_nothing_and_its_layout_does(bench: Repository) -> None:
    before = own_keys(steps_of(bench))
    silicon = CATALOG["microbit"].spec.silicon.model_copy(update={"run": True, "note": "on the desk"})
    assert own_keys(steps_of(bench, catalog=with_microbit(usb=(), silicon=silicon))) == before
    tool = CATALOG["microbit"].spec.flash_tool
    assert tool is not None
    told = tool.model_copy(update={"volume": "OTHER", "options": {"speed": 1}})
    assert own_keys(steps_of(bench, catalog=with_microbit(flash_tool=told))) == before
    assert (
        own_keys(steps_of(bench, catalog=with_microbit(flash_tool=tool.model_copy(update={"file": "bin"})))) != before
    )
    layout = CATALOG["microbit"].spec.layout
    assert layout is not None
    smaller = own_keys(steps_of(bench, catalog=with_microbit(layout=layout.model_copy(update={"arena_bytes": 8192}))))
    changed = {i for i in before if before[i] != smaller[i]}
    assert changed == {"compile:motion/microbit", "firmware:wrist/microbit", "twin:wrist/microbit"}


def test_a_model_file_is_part_of_the_key_by_its_digest_and_not_its_path(bench: Repository) -> None:
    before = own_keys(steps_of(bench))
    moved = bench.copy(bench.root.parent / "elsewhere")
    assert own_keys(steps_of(moved)) == before


def test_the_framework_that_a_fleet_chose_decides_its_firmware_and_nothing_else(bench: Repository) -> None:
    file = bench.root / "specs/fleets.yaml"
    file.write_text(file.read_text().replace("microbit:", "nano33ble:"))
    default = steps_of(bench)
    file.write_text(file.read_text().replace("nano33ble: {", "nano33ble: {framework: arduino, "))
    chosen = steps_of(bench)
    ports = [found["firmware:wrist/nano33ble"].settings["facts"]["port"] for found in (default, chosen)]
    assert ports == ["nrf5", "arduino"]
    before, after = own_keys(default), own_keys(chosen)
    assert {i for i in before if before[i] != after[i]} == {"firmware:wrist/nano33ble", "twin:wrist/nano33ble"}


def test_what_a_board_does_with_results_decides_its_firmware_only_where_it_is_said(bench: Repository) -> None:
    default = steps_of(bench)
    assert not [step for step in default.values() if "act" in step.settings]
    file = bench.root / "specs/fleets.yaml"
    file.write_text(file.read_text().replace("microbit: {", "microbit: {act: [led], "))
    chosen = steps_of(bench)
    assert chosen["firmware:wrist/microbit"].settings["act"] == [{"kind": "led"}]
    before, after = own_keys(default), own_keys(chosen)
    assert {i for i in before if before[i] != after[i]} == {"firmware:wrist/microbit"}


def test_only_a_model_that_searches_holds_data_back_and_all_its_variants_the_same(bench: Repository) -> None:
    plain = own_keys(steps_of(bench))
    searching = TRAINED.replace("name: motion", "name: small") + "  squeeze: {variants: [int8, {width: [0.5, 0.25]}]}\n"
    bench.write("specs/small.yaml", searching)
    found = steps_of(bench)
    assert {i for i in found if i.startswith("train:small")} == {f"train:small{v}" for v in ("", "/w0.5", "/w0.25")}
    for name in ("small", "small/w0.5", "small/w0.25"):
        train = found[f"train:{name}"]
        assert train.settings["validation"] is True
        assert train.inputs["groups.json"] == InputRef("collect:shakes", "groups.json")
    assert found["collect:shakes"].settings["groups"] is True
    assert {i for i, key in own_keys(found).items() if plain.get(i) != key} == {
        "collect:shakes",
        *(set(found) - set(plain)),
    }
    assert "validation" not in found["train:motion"].settings and "groups.json" not in found["train:motion"].inputs
