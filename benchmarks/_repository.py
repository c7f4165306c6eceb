"""Repositories to measure with: a clone of this one's example, and one release of any repository.

The release goes through the code that `tinyops apply` uses; only what the steps would have made is
made up, since a plan looks at digests and never at files.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from tinyops.artifacts import ALL_OUTPUTS, Artifact, Record, Step
from tinyops.files import JsonObject, digest_bytes
from tinyops.manifest.keys import SigningKey
from tinyops.process import run
from tinyops.reconcile.assemble import RELEASED_OUTPUTS, Before, Stamp, assemble
from tinyops.reconcile.planning import plan_of
from tinyops.reconcile.world import World, observe, trust_new_key
from tinyops.release.secrets import load_signing_key, new_key
from tinyops.release.store import sign_release

ROOT = Path(__file__).resolve().parents[1]
KEY = "TINYOPS_IMAGE_KEY"
FILES_PER_RELEASE = 720  # beside these a release holds an entry a fleet and board; the limit is 900
KERNELS = tuple(f"kernels/kernel_{number}.c" for number in range(16))
# About what each kind makes; what another step reads of it is added.
OUTPUTS: Mapping[str, Sequence[str]] = {
    "collect": ("recordings.npz", "dataset.json"),
    "train": ("float.tflite", "features.json", "training.json"),
    "squeeze": ("int8.tflite", "features.json", "golden.bin", "calibration.json", "metrics.json"),
    "compile": ("model.h", "model.c", "weights.h", "weights.c", "contract.json", "compile.json", *KERNELS),
    "image": ("model.bin", "model.elf", "image.json"),
    "firmware": ("firmware.elf", "firmware.bin", "firmware.hex", "twin.elf"),
    "twin": ("proof.json",),
}


def clone(folder: Path) -> Path:
    """What a fresh clone of this repository with its uncommitted changes would hold, without its history."""
    listed = run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"], timeout_s=60).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    return folder


def example(folder: Path) -> Path:
    """The example alone: what a user's repository looks like."""
    for name in ("specs", "generated"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def use_released(folder: Path) -> bool:
    """Brings the release that this repository holds, when `make demo` ran here, into a copy of it."""
    held = ROOT / ".tinyops"
    if not (held / "releases" / "latest").exists() or not (held / "trusted.pem").exists():
        return False
    shutil.copytree(held / "releases", folder / ".tinyops" / "releases", symlinks=True)
    shutil.copy2(held / "trusted.pem", folder / ".tinyops" / "trusted.pem")
    return True


def release(root: Path) -> World:
    """Publishes what the specs ask for, with made-up outputs, and returns the world after it.

    In several releases where one would hold too many files, as the fleet of a large repository grows.
    """
    if not (root / ".tinyops" / "trusted.pem").exists():
        trust_new_key(root, new_key(KEY, root).public)
    key = load_signing_key(KEY, root)
    world = observe(root)
    records = records_of(world.steps)
    for models in _parts(world, records):
        world = _publish(observe(root), models, records, key)
    return observe(root)


def _parts(world: World, records: Mapping[str, Record]) -> Iterator[frozenset[str]]:
    """Growing sets of models, each bringing less than one release may hold."""
    brings: Counter[str | None] = Counter()
    for step in world.steps:
        brings[_model_of(world, step)] += sum(_is_released(step, name) for name in records[step.id].outputs)
    models: set[str] = set()
    files = 0
    for model in world.repository.models:
        if files + brings[model] > FILES_PER_RELEASE:
            yield frozenset(models)
            files = 0
        models.add(model)
        files += brings[model]
    yield frozenset(models)


def _publish(world: World, models: Collection[str], records: Mapping[str, Record], key: SigningKey) -> World:
    taken = {None, *models}
    plan = plan_of(world)
    draft = assemble(
        project=plan.project,
        spec=world.repository.project.document.spec,
        fleets={name: fleet for name, fleet in world.fleets.items() if fleet.spec.model_name in models},
        steps=[step for step in world.steps if _model_of(world, step) in taken],
        records=records,
        missed={},
        overridden={},
        before=Before(world.manifest, world.release.digest if world.release else None),
        stamp=Stamp("2027-01-01T00:00:00Z", None, plan.digest, world.lock.digest, world.repository.digest),
    )
    contents = {made.digest: f"{r.step} {name}" for r in records.values() for name, made in r.outputs.items()}
    made_up = world.root / ".tinyops" / "made-up"
    made_up.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, artifact in draft.files.items():
        (made_up / name).write_text(contents[artifact.digest])
        files[name] = (made_up / name, artifact.digest)
    assert world.releases is not None
    with world.releases.lease("benchmark") as lease:
        world.releases.publish(sign_release(draft.manifest, [key]), files, lease)
    return world


def _model_of(world: World, step: Step) -> str | None:
    """The model that a step is done for; None for datasets."""
    name = step.subject.split("/")[0]
    if step.kind == "collect":
        return None
    return world.fleets[name].spec.model_name if step.kind in ("firmware", "twin") else name


def _is_released(step: Step, output: str) -> bool:
    return bool({output, ALL_OUTPUTS} & RELEASED_OUTPUTS[step.kind])


def records_of(steps: Sequence[Step]) -> dict[str, Record]:
    """What each step would leave behind, with real keys; a file's content names its step and itself."""
    records: dict[str, Record] = {}
    read = {step.id: set[str]() for step in steps}
    for ref in (ref for step in steps for ref in step.inputs.values()):
        read[ref.step].add(ref.output)
    for step in steps:
        inputs = {name: records[ref.step].output_digest(ref.output) for name, ref in step.inputs.items()}
        names = sorted({*_outputs(step), *read[step.id]} - {ALL_OUTPUTS})
        contents = {name: f"{step.id} {name}".encode() for name in names}
        outputs = {name: Artifact(digest_bytes(content), len(content)) for name, content in contents.items()}
        sources = {name: source.digest for name, source in step.sources.items()}
        records[step.id] = Record(
            step.id, step.key(inputs), step.settings, step.lock, inputs, sources, outputs, _facts(step)
        )
    return records


def _outputs(step: Step) -> Sequence[str]:
    if step.kind == "image" and step.settings["slot_bytes"] is None:
        return ("image.json", "model.so")
    if step.kind == "firmware" and step.settings["facts"]["layout"] is None:
        return ("firmware.json",)
    return OUTPUTS[step.kind]


def _facts(step: Step) -> JsonObject:
    """As many as a real step's, so that a manifest is as long as a real one; good enough for every gate."""
    share = {"point": 1.0, "low": 0.999, "high": 1.0, "right": 4000, "total": 4000}
    confusion = [[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 5]]
    if step.kind == "compile":
        return {"contract": digest_bytes(step.subject.encode()), "arena_bytes": 1024, "macs": 50000}
    if step.kind == "twin":
        figures = {"flash_bytes": 10384, "ram_bytes": 1952, "stack_bytes": 400, "instructions": 262080}
        return {"proof": {"model": "same-bytes", "firmware": "same-source"}, "vectors": 16, **figures}
    if step.kind in ("train", "squeeze"):
        recall = dict.fromkeys(("Standing", "Running", "Walking", "Badminton"), share)
        measured = {"accuracy_float": share, "accuracy_int8": share, "int8_loss": 0.0}
        return {**measured, "confusion": confusion, "recall": recall, "classes": list(recall)}
    return {"frames": 8000}
