"""The next manifest from the last one and the records of steps: who moves, who is held, where each file lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import DESK, FINISHED, STREAM, TRAINED, fleet, repository
from tinyops.artifacts import Artifact, Record, Step
from tinyops.boards.loader import load_catalog
from tinyops.build.steps import desired_steps
from tinyops.errors import DoesNotFit
from tinyops.files import digest_bytes
from tinyops.manifest.document import Manifest, Posting
from tinyops.manifest.entry import entries
from tinyops.reconcile.assemble import Before, Draft, Stamp, _model_file, assemble, closure, figures
from tinyops.reconcile.rollout.starting import NO_ROLLOUTS, Rollouts, Terms
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.lock import Lock, TinyopsPins
from tinyops.specs.squeeze import Squeeze
from tinyops.specs.targets import Target, all_targets, fleet_targets

CATALOG = load_catalog()
ROOT = Path(__file__).parents[3]
PIN = "sha256:" + "1" * 64
LOCK = Lock(
    tinyops=TinyopsPins(version="0.1.0", compiler=PIN, firmware=PIN),
    compilers={"arm-none-eabi-gcc": "12.2.1", "gcc": "12.2.0"},
    emulators={"qemu-system-arm": "7.2"},
)
OUTPUTS = {
    "collect": ("recordings.npz", "dataset.json"),
    "train": ("float.tflite", "features.json", "training.json"),
    "squeeze": ("int8.tflite", "golden.bin", "metrics.json"),
    "compile": ("contract.json", "compile.json", "model.c"),
    "image": ("model.bin", "model.elf"),
    "firmware": ("firmware.bin", "firmware.hex", "firmware.elf", "twin.elf"),
    "twin": ("proof.json",),
}


@pytest.fixture
def specs(tmp_path: Path) -> Repository:
    wrist = fleet("wrist", "motion", {"microbit": STREAM, "linux": STREAM})
    made = repository(tmp_path / "bench", TRAINED, FINISHED, wrist, DESK, model=b"a model")
    return load_repository(made.root, catalog=CATALOG)


def record(step: Step, content: str) -> Record:
    """What a run of the step would leave; `content` stands for its inputs and settings."""
    names = OUTPUTS[step.kind]
    if step.subject.endswith("/linux"):
        names = {"image": ("model.so",), "firmware": ("firmware.json",)}.get(step.kind, names)
    outputs = {n: Artifact(digest_bytes(f"{step.id} {n} {content}".encode()), 7) for n in names}
    facts: dict[str, Any] = {"accuracy_int8": {"point": 0.9, "low": 0.8}, "contract": PIN}
    levels = {"model": "same-bytes", "firmware": "none" if step.subject.endswith("/linux") else "same-bytes"}
    facts |= {"proof": levels, "flash_bytes": 5, "bit_exact": True}
    return Record(step.id, digest_bytes(content.encode()), {}, {}, {}, {}, outputs, facts)


def draft(
    specs: Repository,
    content: Mapping[str, str] | str = "first",
    *,
    previous: Manifest | None = None,
    missed: Mapping[str, tuple[str, ...]] | None = None,
    without: str = "",
    rollouts: Rollouts = NO_ROLLOUTS,
    signed_by: tuple[str, ...] = (),
) -> Draft:
    """`content` of every step, or by a word in its id; steps with `without` in their id failed."""
    steps = desired_steps(specs, LOCK, CATALOG)

    def of(step: Step) -> str:
        return content if isinstance(content, str) else next((c for w, c in content.items() if w in step.id), "first")

    return assemble(
        project="bench",
        spec=specs.project.document.spec,
        fleets={name: entry.document for name, entry in specs.fleets.items()},
        targets=all_targets(specs),
        steps=steps,
        records={s.id: record(s, of(s)) for s in steps if not without or without not in s.id},
        missed=missed or {},
        overridden={},
        before=Before(previous, PIN if previous else None),
        stamp=Stamp("2027-01-02T03:04:05Z", None, PIN, PIN, PIN, signed_by),
        rollouts=rollouts,
    )


def test_the_first_release_holds_every_fleet_and_every_durable_file(specs: Repository) -> None:
    made = draft(specs)
    manifest = made.manifest
    assert (manifest.version, manifest.tag, manifest.previous) == (1, "v1", None)
    assert {(n, b) for n, e in manifest.fleets.items() for b in e.boards} == {
        *(("desk", "linux"), ("wrist", "linux"), ("wrist", "microbit"))
    }
    assert not manifest.unkept()
    assert set(made.files) == set(manifest.own_assets())
    assert "train.motion.float.tflite" in made.files
    assert not [n for n in made.files if n.endswith(("model.c", "twin.elf", "recordings.npz"))]
    board = manifest.fleets["wrist"].boards["microbit"]
    assert (board.model.kind, board.firmware is not None, board.proof.firmware) == ("image", True, "same-bytes")
    computer = manifest.fleets["wrist"].boards["linux"]
    assert (computer.model.kind, computer.firmware, computer.proof.firmware) == ("shared-object", None, None)


def test_where_results_go_is_released_for_the_board_that_posts(specs: Repository) -> None:
    boards = draft(specs).manifest.fleets["wrist"].boards
    assert boards["linux"].post is boards["microbit"].post is None
    file = specs.root / "specs/fleets.yaml"
    act = "act: [serial, {kind: http, url: 'https://plant.example/x', only_changes: true}]"
    text = file.read_text()
    at = text.index("linux: {", text.index("{name: wrist}")) + len("linux: {")
    file.write_text(f"{text[:at]}{act}, {text[at:]}")
    boards = draft(load_repository(specs.root, catalog=CATALOG)).manifest.fleets["wrist"].boards
    assert boards["linux"].post == Posting(url="https://plant.example/x", only_changes=True)
    assert boards["microbit"].post is None


def test_what_did_not_change_stays_in_the_release_where_it_was(specs: Repository) -> None:
    first = draft(specs).manifest
    made = draft(specs, {"image:motion/microbit": "second"}, previous=first)
    assert (made.manifest.version, made.manifest.previous) == (2, PIN)
    assert set(made.files) == {"image.motion.microbit.model.bin", "image.motion.microbit.model.elf"}
    wrist = made.manifest.fleets["wrist"].boards
    assert (wrist["microbit"].model.tag, wrist["linux"].model.tag) == ("v2", "v1")


def test_a_held_fleet_keeps_its_entry_its_steps_and_its_files(specs: Repository) -> None:
    first = draft(specs).manifest
    reasons = ("accuracy_min: 0.950 wanted, it is 0.900",)
    made = draft(specs, {"motion": "second", "tiny": "second"}, previous=first, missed={"wrist": reasons})
    manifest = made.manifest
    held = manifest.fleets["wrist"]
    assert held.carried is not None
    assert (held.carried.version, held.carried.reason) == (1, reasons[0])
    assert held.model_copy(update={"carried": None}) == first.fleets["wrist"]
    assert manifest.steps["train:motion"] == first.steps["train:motion"]
    assert manifest.steps["image:tiny/linux"] != first.steps["image:tiny/linux"]
    assert [(h.fleet, h.since, h.reason) for h in manifest.held] == [("wrist", 2, reasons[0])]
    assert not manifest.unkept()

    later = draft(specs, "third", previous=manifest, missed={"wrist": reasons}).manifest
    assert later.fleets["wrist"].carried == held.carried  # still since the first
    assert later.held[0].since == 2

    moved = draft(specs, "third", previous=later).manifest
    assert (moved.fleets["wrist"].carried, moved.held) == (None, ())


def test_a_held_fleet_without_an_earlier_entry_is_left_out(specs: Repository) -> None:
    manifest = draft(specs, missed={"wrist": ("proof: too little",)}).manifest
    assert set(manifest.fleets) == {"desk"}
    assert [h.fleet for h in manifest.held] == ["wrist"]


def test_what_failed_keeps_its_last_record(specs: Repository) -> None:
    first = draft(specs).manifest
    made = draft(specs, "second", previous=first, missed={"wrist": ("twin: died",)}, without="motion")
    assert made.manifest.steps["train:motion"] == first.steps["train:motion"]
    assert not made.manifest.unkept()


def test_steps_that_fleets_share_move_with_the_fleet_that_moves(tmp_path: Path) -> None:
    both = [fleet(name, "motion", {"linux": STREAM}) for name in ("left", "right")]
    made = repository(tmp_path / "bench", TRAINED, *both)
    specs = load_repository(made.root, catalog=CATALOG)
    first = draft(specs).manifest
    manifest = draft(specs, "second", previous=first, missed={"left": ("proof: too little",)}).manifest
    assert manifest.steps["train:motion"] != first.steps["train:motion"]
    assert manifest.steps["twin:left/linux"] == first.steps["twin:left/linux"]
    kept, moved = manifest.fleets["left"].boards["linux"], manifest.fleets["right"].boards["linux"]
    assert (kept.model.tag, moved.model.tag) == ("v1", "v2")
    assert kept.model.digest in manifest.assets  # devices of the held fleet still find their file


def test_a_closure_is_a_step_and_all_that_it_needs(specs: Repository) -> None:
    found = closure(["image:motion/linux"], {s.id: s for s in desired_steps(specs, LOCK, CATALOG)})
    assert found == {
        *("image:motion/linux", "compile:motion/linux", "squeeze:motion/int8", "train:motion", "collect:shakes")
    }


def test_a_model_that_is_linked_into_what_nobody_here_builds_is_released_as_its_project() -> None:
    target = _linked_target()
    outputs = {"twin.elf": Artifact("sha256:" + "0" * 64, 5)}
    firmware = Record("firmware:wrist/esp32c3", "key", {}, {}, {}, {}, outputs, {"image": False})
    project = Artifact("sha256:" + "2" * 64, 9)
    rendered = Record(**{**vars(firmware), "outputs": {**outputs, "project.zip": project}})
    assert _model_file(target, {rendered.step: rendered}) == ("linked", project)
    whole = Record(**{**vars(firmware), "outputs": {"firmware.bin": Artifact("sha256:" + "1" * 64, 7)}})
    assert _model_file(target, {whole.step: whole})[0] == "linked"
    for record, image_bytes in ((rendered, None), (whole, 7)):
        others = [Record(step, "key", {}, {}, {}, {}, {}, {}) for step in (target.measured_step, target.twin_step)]
        assert figures(target, {one.step: one for one in (record, *others)})["image_bytes"] == image_bytes


def _linked_target() -> Target:
    """A board whose firmware holds the model."""
    fleet = load_repository(ROOT, catalog=load_catalog()).fleets["wrist"].document
    bound = {"esp32c3": fleet.spec.boards["pico"]}
    fleet = fleet.model_copy(update={"spec": fleet.spec.model_copy(update={"boards": bound})})
    return fleet_targets(fleet, Squeeze())["esp32c3"]


WAVES = Rollouts({"wrist": Terms((5, 2**32 - 1), "revert", ("5" * 64,), "https://acme.example/rollout/wrist.json")})


def test_new_content_of_a_fleet_with_a_rollout_comes_in_waves_and_keeps_what_was_before(specs: Repository) -> None:
    first = draft(specs, rollouts=WAVES).manifest
    assert first.fleets["wrist"].rollout is None
    second = draft(specs, "second", previous=first, rollouts=WAVES).manifest
    assert second.fleets["desk"].rollout is None
    rollout = second.fleets["wrist"].rollout
    assert rollout is not None and (rollout.id, rollout.base.version) == (2, 1)
    assert rollout.base.boards == first.fleets["wrist"].boards
    signed = dict(entries(second))
    entry = signed["entry-wrist-microbit.json"]
    assert entry.rollout is not None and entry.rollout.base == dict(entries(first))["entry-wrist-microbit.json"].content
    assert signed["entry-desk-linux.json"].rollout is None
    third = draft(specs, "second", previous=second, rollouts=WAVES).manifest
    assert third.fleets["wrist"].rollout == rollout
    for file in (f for _, board in third.fleets["wrist"].offers() for _, f in board.files()):
        assert third.assets[file.digest].tag == file.tag
    held = draft(specs, "third", previous=second, rollouts=WAVES, missed={"wrist": ("a gate",)}).manifest
    assert held.fleets["wrist"].rollout == rollout


def test_an_entry_that_devices_would_not_read_is_refused(specs: Repository) -> None:
    first = draft(specs).manifest
    keys = tuple(f"{n:064x}" for n in range(33))
    with pytest.raises(DoesNotFit, match=r"entry-wrist-(linux|microbit)\.json: [0-9,]+ bytes with its rollout"):
        draft(specs, "second", previous=first, rollouts=WAVES, signed_by=keys)
    assert draft(specs, "second", previous=first, rollouts=WAVES, signed_by=keys[:2])
