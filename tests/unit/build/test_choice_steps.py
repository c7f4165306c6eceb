"""The steps of a search: which there are, what they wait for, and what they do with facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import STREAM, TRAINED, Repository, fleet, repository
from tinyops.artifacts import FACTS, Condition, InputRef, Record, Step, wanted_now
from tinyops.boards.loader import load_catalog
from tinyops.build.choice.step import fits, pick
from tinyops.build.steps import desired_steps
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import Lock, TinyopsPins
from tinyops.specs.targets import all_targets

CATALOG = load_catalog()
LOCK = Lock(tinyops=TinyopsPins(version="0.1.0", compiler="sha256:" + "c" * 64, firmware="sha256:" + "f" * 64))
SEARCHED = TRAINED + "  squeeze: {variants: [int8, {width: 0.5}, {per: tensor}], prefer: size}\n"
WRIST = fleet("wrist", "motion", {"microbit": STREAM, "mega2560": STREAM})
SHARE = {"point": 0.9, "low": 0.8, "high": 1.0}
COST = {"flash_bytes": 20_000, "ram_bytes": 3_000, "image_bytes": 9_000, "arena_bytes": 800, "instructions": 5_000}


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    return repository(tmp_path / "bench", SEARCHED, WRIST)


def steps_of(bench: Repository) -> dict[str, Step]:
    return {step.id: step for step in desired_steps(load_repository(bench.root, catalog=CATALOG), LOCK, CATALOG)}


def test_all_but_the_first_variant_wait_for_what_fits_says(bench: Repository) -> None:
    found = steps_of(bench)
    waiting = {i for i, step in found.items() if step.condition == Condition("fits:motion", "searched")}
    assert waiting == {
        *("train:motion/w0.5", "squeeze:motion/w0.5", "squeeze:motion/pt"),
        *(f"cost:motion/{v}/{board}" for v in ("w0.5", "pt") for board in ("microbit", "mega2560")),
    }
    fallible = {i for i, step in found.items() if step.fallible}
    assert fallible == waiting | {i for i in found if i.startswith(("train:", "squeeze:", "cost:"))}
    assert set(found["fits:motion"].inputs) == {"squeeze", "wrist/microbit", "wrist/mega2560"}
    order = list(found)
    for number, step in enumerate(found.values()):
        assert all(order.index(need) < number for need in step.needs), step.id


def test_a_search_that_is_always_wanted_waits_for_nothing(bench: Repository) -> None:
    bench.edit(_file(bench), "prefer: size", "prefer: size, search: always")
    found = steps_of(bench)
    assert "fits:motion" not in found
    assert not any(step.condition for step in found.values())


def test_a_variant_that_teaches_another_model_waits_for_no_search_of_its_own(bench: Repository) -> None:
    own = "[int8, {width: 0.5}, {per: tensor}]"
    bench.edit(_file(bench), own, "[{width: 0.5}, int8]")
    assert steps_of(bench)["train:motion"].condition is not None
    student = TRAINED.replace("name: motion", "name: student").partition("kind: Model")
    taught = (
        f"apiVersion: tinyops/v1\nkind: Model{student[2]}  squeeze: {{variants: [{{width: 0.5, teacher: motion}}]}}\n"
    )
    bench.write("specs/student.yaml", taught)
    found = steps_of(bench)
    assert found["train:motion"].condition is None
    assert found["squeeze:motion/int8"].condition == Condition("fits:motion", "searched")


def _file(bench: Repository) -> str:
    (path,) = [p for p in (bench.root / "specs").glob("*.yaml") if "prefer: size" in p.read_text()]
    return path.relative_to(bench.root).as_posix()


def test_each_board_chooses_and_what_it_compiles_is_what_it_chose(bench: Repository) -> None:
    found = steps_of(bench)
    choose = found["choose:wrist/microbit"]
    assert choose.settings["variants"] == ["int8", "w0.5", "pt"]
    assert choose.settings["arena_room_bytes"] == CATALOG["microbit"].spec.layout.arena_bytes  # type: ignore[union-attr]
    assert choose.inputs["w0.5/cost"] == InputRef("cost:motion/w0.5/microbit", FACTS)
    assert choose.inputs["w0.5/int8.tflite"] == InputRef("squeeze:motion/w0.5", "int8.tflite", optional=True)
    compiled = found["compile:motion.wrist/microbit"]
    assert compiled.inputs["int8.tflite"] == InputRef("choose:wrist/microbit", "int8.tflite")
    assert found["twin:wrist/microbit"].inputs["golden.bin"].step == "choose:wrist/microbit"


def test_costs_are_measured_with_what_a_release_would_have(bench: Repository) -> None:
    found = steps_of(bench)
    own, linked = found["cost:motion/int8/microbit"], found["cost:motion/int8/mega2560"]
    assert own.inputs["firmware"].step == "firmware:wrist/microbit"
    assert own.settings["image"] == found["image:motion.wrist/microbit"].settings
    assert "firmware" not in own.settings and "firmware" not in linked.inputs
    assert linked.settings["firmware"] == found["firmware:wrist/mega2560"].settings
    assert linked.lock["parts"]["twin"] == found["twin:wrist/mega2560"].lock


def test_fleets_share_costs_and_have_budgets_of_their_own(bench: Repository) -> None:
    text = fleet("ankle", "motion", {"microbit": STREAM}, "  gates: {flash_bytes_max: 30000, growth_max: 0.1}\n")
    bench.write("specs/ankle.yaml", text)
    found = steps_of(bench)
    assert sum(i.startswith("cost:motion/int8/") for i in found) == 2
    assert found["choose:ankle/microbit"].settings["gates"] == {"flash_bytes_max": 30_000}
    assert found["choose:wrist/microbit"].settings["gates"] == {}
    assert set(found["fits:motion"].settings["targets"]) == {"ankle/microbit", "wrist/microbit", "wrist/mega2560"}


def test_a_pinned_fleet_runs_what_it_is_pinned_to(bench: Repository) -> None:
    digest = "sha256:" + "ab" * 32
    bench.write("specs/pinned.yaml", fleet("pinned", f'{{name: motion, digest: "{digest}"}}', {"microbit": STREAM}))
    loaded = load_repository(bench.root, catalog=CATALOG)
    targets = all_targets(loaded)
    assert targets["pinned"]["microbit"].model_step.startswith("squeeze:motion.abab")
    assert targets["wrist"]["microbit"].model_step == "choose:wrist/microbit"


def test_steps_without_what_no_condition_wants() -> None:
    fits_, other = Step("fits", "m"), Step("train", "m/w", condition=Condition("fits:m", "searched"))
    choose = Step("choose", "f/b", inputs={"a": InputRef("fits:m", FACTS), "b": InputRef("train:m/w", FACTS)})
    for searched, ids, inputs in ((True, 3, {"a", "b"}), (False, 2, {"a"})):
        record = Record("fits:m", "", {}, {}, {}, {}, {}, {"searched": searched})
        found = [*wanted_now((fits_, other, choose), {"fits:m": record})]
        assert (len(found), set(found[-1].inputs)) == (ids, inputs)
    assert choose.key({"a": "1", "b": "2"}) != choose.without({"train:m/w"}).key({"a": "1"})


def facts_file(folder: Path, name: str, value: Any) -> Path:
    path = folder / name.replace("/", "-")
    path.write_text(json.dumps(value))
    return path


def silent(_: object) -> None:
    return None


def test_fits_says_which_board_wants_another_variant(tmp_path: Path) -> None:
    squeezed = {"validation": {"accuracy": SHARE, "recall": {}}}
    targets = {
        "wrist/microbit": {"board": "microbit", "model_room_bytes": 10_000, "arena_room_bytes": 1_000},
        "wrist/uno": {"board": "uno", "model_room_bytes": 8_000, "arena_room_bytes": 1_000},
    }
    inputs = {"squeeze": facts_file(tmp_path, "squeeze", squeezed)}
    inputs |= {name: facts_file(tmp_path, name, COST) for name in targets}
    step = Step("fits", "motion", {"variant": "int8", "targets": targets})
    found = fits(step, inputs, tmp_path, silent)
    why = "int8 needs 1,000 bytes more flash than there is room for a model"
    assert found == {"searched": True, "why": {"wrist/uno": why}}
    targets["wrist/uno"]["model_room_bytes"] = 9_000
    assert fits(step, inputs, tmp_path, silent) == {"searched": False, "why": {}}
    inputs["squeeze"] = facts_file(tmp_path, "squeeze", {"failed": "no filters left"})
    assert fits(step, inputs, tmp_path, silent)["why"]["wrist/microbit"] == "int8 no filters left"


def test_the_picked_variant_is_handed_on_with_its_facts(tmp_path: Path) -> None:
    settings = {"board": "microbit", "variants": ["int8", "w0.5", "w0.1"], "prefer": "size", "loss_max": 0.01}
    inputs: dict[str, Path] = {}
    for number, name in enumerate(settings["variants"]):
        squeezed = {"validation": {"accuracy": SHARE, "recall": {}}, "accuracy_int8": {"point": 0.5 + number}}
        inputs[f"{name}/squeeze"] = facts_file(tmp_path, f"{name}.squeeze", squeezed)
        inputs[f"{name}/cost"] = facts_file(tmp_path, f"{name}.cost", {**COST, "flash_bytes": 9_000 - number})
        for file in ("int8.tflite", "golden.bin"):
            inputs[f"{name}/{file}"] = facts_file(tmp_path, f"{name}.{file}", name)
    inputs["w0.1/squeeze"] = facts_file(tmp_path, "w0.1.squeeze", {"failed": "no filters left"})
    out = tmp_path / "out"
    out.mkdir()
    found = pick(Step("choose", "wrist/microbit", settings), inputs, out, silent)
    assert (found["variant"], found["accuracy_int8"]) == ("w0.5", {"point": 1.5})
    assert sorted(p.name for p in out.iterdir()) == ["choice.json", "golden.bin", "int8.tflite"]
    assert (out / "int8.tflite").read_text() == '"w0.5"'
    assert json.loads((out / "choice.json").read_text()) == found["choice"]
    lost = {c["variant"]: c["lost"] for c in found["choice"]["candidates"]}
    assert lost["w0.1"] == "no filters left" and lost["w0.5"] == ""
    alone = {name: path for name, path in inputs.items() if name.startswith("int8/")}
    again = pick(Step("choose", "wrist/microbit", settings), alone, out, silent)["choice"]
    assert (again["searched"], again["picked"]) == (False, "int8")
    assert again["why"] == "it fits as it is, so that no other was made"
