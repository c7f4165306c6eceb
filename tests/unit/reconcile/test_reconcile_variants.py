"""Fleets whose boards have different models: pins, overrides, what reports are compared with, what is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.choices import candidate, recorded
from fakes.projects import STREAM, TRAINED, Repository, fleet, repository
from tinyops.artifacts import Artifact, Record
from tinyops.boards.loader import load_catalog
from tinyops.errors import SpecError, UsageError
from tinyops.plan.gates import Miss
from tinyops.reconcile.comparing import Side, _of_releases
from tinyops.reconcile.judging import _model_misses, _with_nearest, model_digests
from tinyops.reconcile.shifts import Reference, facts_by_board, reference_of
from tinyops.reconcile.verbs import promote, released_models, rollback
from tinyops.reconcile.world import World
from tinyops.specs.loader import load_repository
from tinyops.specs.targets import all_targets

CATALOG = load_catalog()
BOARDS = {"microbit": STREAM, "linux": STREAM}
SEARCHED = TRAINED + "  squeeze: {variants: [int8, {width: 0.5}]}\n  gates: {accuracy_min: 0.9}\n"


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def squeezed(step: str, letter: str, point: float = 0.95, **facts: Any) -> Record:
    """Of a model whose golden vectors are as much its own as its weights are."""
    outputs = {"int8.tflite": Artifact(digest(letter), 9), "golden.bin": Artifact(digest(letter.upper()), 9)}
    accuracy = {"point": point, "low": point - 0.05, "high": 1.0}
    return Record(step, digest("0"), {}, {}, {}, {}, outputs, {"accuracy_int8": accuracy, **facts})


def manifest(models: Mapping[str, str], records: tuple[Record, ...], version: int = 2) -> Any:
    boards = {name: SimpleNamespace(golden=SimpleNamespace(digest=digest(golden))) for name, golden in models.items()}
    fleets = {"staging": SimpleNamespace(boards=boards)}
    return SimpleNamespace(fleets=fleets, steps={r.step: r for r in records}, tag=f"v{version}", version=version)


PLAIN, HALF = squeezed("squeeze:motion/int8", "a"), squeezed("squeeze:motion/w0.5", "b")
MIXED = manifest({"microbit": "B", "linux": "A"}, (PLAIN, HALF))
SAME = manifest({"microbit": "A", "linux": "A"}, (PLAIN, HALF), 1)


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    made = repository(tmp_path / "bench", SEARCHED, fleet("staging", "motion", BOARDS))
    made.write("specs/production.yaml", fleet("production", "motion", BOARDS))
    return made


def world(bench: Repository, latest: Any, *earlier: Any) -> World:
    loaded = load_repository(bench.root, catalog=CATALOG)
    made = World(loaded, None, CATALOG, None, SimpleNamespace(manifest=latest))  # type: ignore[arg-type]
    versions = {m.version: m for m in earlier}
    made.__dict__["past"] = SimpleNamespace(read=versions.get)
    return made


NOW: Any = None  # nobody waits for anything


def test_promotion_pins_each_board_to_the_variant_of_its_own(bench: Repository) -> None:
    edit = promote(world(bench, MIXED), "staging", "production", NOW)
    pins = f'{{microbit: "{digest("b")}", linux: "{digest("a")}"}}'
    assert f"model: {{name: motion, digest: {pins}}}" in edit.after.replace("\n", " ")
    bench.write("specs/production.yaml", edit.after)
    targets = all_targets(load_repository(bench.root, catalog=CATALOG))["production"]
    assert targets["microbit"].model_step == f"squeeze:motion.{'b' * 12}/int8"
    assert targets["linux"].compiled == f"motion.{'a' * 12}/linux"


def test_one_model_for_all_is_pinned_as_ever(bench: Repository) -> None:
    edit = promote(world(bench, SAME), "staging", "production", NOW)
    assert f'model: {{name: motion, digest: "{digest("a")}"}}' in edit.after


def test_a_board_that_staging_never_had_is_promoted_to_nothing(bench: Repository) -> None:
    bench.write("specs/production.yaml", fleet("production", "motion", {"microbit": STREAM, "pico": STREAM}))
    with pytest.raises(UsageError, match="v2 gives fleet staging no model for pico, which production has"):
        promote(world(bench, MIXED), "staging", "production", NOW)
    assert "digest" in promote(world(bench, SAME), "staging", "production", NOW).after


def test_a_fleet_goes_back_to_what_each_board_had(bench: Repository) -> None:
    edit = rollback(world(bench, MIXED, SAME), "staging")
    assert f'digest: "{digest("a")}"' in edit.after and edit.summary.endswith("of v1")
    assert released_models(MIXED, "staging") == {"microbit": digest("b"), "linux": digest("a")}
    with pytest.raises(UsageError, match="v2 gives fleet other no model"):
        released_models(MIXED, "other")


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ({"microbit": "a"}, "pins no model for linux"),
        ({"microbit": "a", "linux": "b", "pico": "c"}, "the fleet has no board 'pico'"),
    ],
)
def test_pins_are_for_each_board_of_the_fleet(bench: Repository, pins: dict[str, str], said: str) -> None:
    text = ", ".join(f'{name}: "{digest(letter)}"' for name, letter in pins.items())
    bench.write("specs/production.yaml", fleet("production", f"{{name: motion, digest: {{{text}}}}}", BOARDS))
    with pytest.raises(SpecError) as error:
        load_repository(bench.root, catalog=CATALOG)
    (problem,) = error.value.problems
    assert said in problem.message and problem.file.endswith("specs/production.yaml") and problem.line == 5


def test_each_board_is_judged_by_the_model_that_it_has(bench: Repository) -> None:
    made = world(bench, MIXED)
    good = squeezed("choose:staging/linux", "a", 0.99, variant="int8")
    both = [candidate("int8", 0.95, 9_000, "is too large"), candidate("w0.5", 0.92, 8_000)]
    choice = recorded(unmet=["accuracy_min", "flash_bytes_max"], candidates=both, front=[])
    bad = squeezed("choose:staging/microbit", "b", 0.92, variant="w0.5", choice=choice)
    records = {"choose:staging/linux": good, "choose:staging/microbit": bad}
    targets = made.targets["staging"]
    assert model_digests(targets, records) == {"microbit": digest("b"), "linux": digest("a")}
    (miss,) = _model_misses(made, made.fleets["staging"], records)
    text = "microbit, w0.5: 0.900 wanted, the 95 % interval of 0.920 starts at 0.870"
    assert (miss.board, miss.text) == ("microbit", text)
    (said,) = _with_nearest([miss], targets, records)
    assert said.text == f"{text}; of 2 variants w0.5 comes nearest"
    other = Miss("ram_bytes_max", "x", "microbit")
    assert [*_with_nearest([other], targets, records)] == [other]


def reference(*bins: int, mean: float | None) -> dict[str, Any]:
    return {"reference": {"classes": {"rest": 6, "shake": 4}, "confidence": list(bins), "confidence_mean": mean}}


def test_reports_are_compared_with_what_the_boards_that_send_them_run() -> None:
    plain = squeezed("squeeze:motion/int8", "a", **reference(0, 10, mean=0.9))
    half = squeezed("squeeze:motion/w0.5", "b", **reference(10, 0, mean=0.5))
    mixed = manifest({"microbit": "B", "linux": "A"}, (plain, half))
    entry = mixed.fleets["staging"]
    classes = {"rest": 6, "shake": 4}
    assert set(facts_by_board(mixed, entry)) == {"linux", "microbit"}
    assert reference_of(mixed, entry) == Reference(classes, (5, 5), 0.7)
    assert reference_of(mixed, entry, {"linux": 300, "microbit": 100}) == Reference(classes, (2, 8), 0.8)
    same = manifest({"microbit": "A", "linux": "A"}, (plain, half))
    assert reference_of(same, same.fleets["staging"], {"linux": 1}) == Reference(classes, (0, 10), 0.9)
    nothing = manifest({"microbit": "C"}, (plain, half))
    assert reference_of(nothing, nothing.fleets["staging"]) is None


def test_two_releases_differ_in_what_was_picked_not_in_every_candidate() -> None:
    def side(picked: str, flash: int) -> Side:
        both = [candidate("int8", 0.95, 9_000, "is larger"), candidate(picked, 0.95, flash)]
        choice = recorded(picked=picked, why=f"{picked} is least", front=["int8", picked], candidates=both)
        record = squeezed("choose:staging/linux", "a", variant=picked, choice=choice)
        return Side("v1", "bench", {record.step: replace(record, key=digest(picked[-1]))}, {}, None)

    (change,) = _of_releases(side("w0.5", 9_000), side("w0.6", 8_000))
    said = [str(reason) for reason in change.reasons]
    assert said == [
        "figure.choice.front int8, w0.5 → int8, w0.6",
        "figure.choice.why w0.5 is least → w0.6 is least",
        "figure.variant w0.5 → w0.6",
    ]
