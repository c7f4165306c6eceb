"""What a search among variants takes and gives: 13 variants of an example's model on four boards.

python benchmarks/bench_squeeze.py [--example NAME] [--boards NAME ...] [--variants YAML] [--prefer NAME]
    [--epochs N] [--loss-max SHARE] [--test SUBJECT ...]

Recordings come from the shared data (`../shared/data` or TINYOPS_SHARED_DATA). First the example as it is written, but
for epochs and subjects of the test: plain int8, trained on all of the training side. Then the same specs with variants:
`tinyops apply` searches from nothing and releases; `tinyops plan` is timed when nothing changed. Variants are chosen on
the validation side; accuracy here is that of the test side, which no choice has seen. Ratios are of the bytes of a
board's model image (its flash) and arena (its RAM) to those of plain int8 on that board.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _repository import ROOT
from _timing import heading, table
from bench_examples import Repository
from ruamel.yaml import YAML

from tinyops.reconcile.opening import open_releases
from tinyops.specs.loader import load_repository

BOARDS = ("microbit", "nano33ble", "pico", "raspberrypi4")
VARIANTS = """
- int8
- {width: [0.75, 0.6, 0.5, 0.35]}
- {prune_channels: [0.2, 0.35, 0.5]}
- {quantisation_aware: true}
- {width: [0.75, 0.6, 0.5], quantisation_aware: true}
- {width: 0.75, prune_channels: 0.3}
"""
SEARCH_S, PLAN_S = 600, 1.0  # what is wanted of them
PLANS = 3
TIMEOUT_S = 7200


def tinyops(root: Path, *arguments: str) -> tuple[str, float]:
    """Standard output and seconds of a command."""
    begin = time.perf_counter()
    argv, env = [sys.executable, "-m", "tinyops", *arguments], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        raise SystemExit(f"tinyops {' '.join(arguments)}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout, time.perf_counter() - begin


@dataclass(frozen=True)
class Search:
    """What is looked for, and where."""

    example: str
    boards: Sequence[str]
    variants: str
    prefer: str
    loss_max: float
    epochs: int | None
    test: Sequence[str]


def rewrite(root: Path, change: Callable[[dict[str, Any]], None], kind: str = "Model") -> None:
    """The spec of that kind, changed."""
    (path,) = [p for p in (root / "specs").glob("*.yaml") if f"kind: {kind}" in p.read_text()]
    yaml = YAML(typ="safe")
    document = yaml.load(path.read_text())
    change(document["spec"])
    yaml.dump(document, path)


def search_for(root: Path, wanted: Search) -> None:
    """The model's spec with variants, that are searched whether that is needed or not."""
    squeeze = {"search": "always", "prefer": wanted.prefer, "loss_max": wanted.loss_max}
    variants = YAML(typ="safe").load(wanted.variants)
    rewrite(root, lambda spec: spec.update(squeeze={"variants": variants, **squeeze}))


def released(root: Path, catalog: Any) -> dict[str, Any]:
    """The facts of every step of the last release."""
    store = open_releases(load_repository(root, catalog=catalog))
    release = store.latest() if store is not None else None
    assert release is not None, "nothing was released"
    return dict(release.manifest.steps)


def share(facts: dict[str, Any]) -> str:
    found = facts["accuracy_int8"]
    return f"{found['point']:.3f} ({found['right']}/{found['total']})"


def row(board: str, choice: dict[str, Any], records: dict[str, Any], plain: dict[str, Any]) -> list[str]:
    """What a board got, against plain int8 of the same search and of the specs without one."""
    costs = {c["variant"]: c for c in choice["candidates"]}
    picked, int8 = costs[choice["picked"]], costs["int8"]
    (model,) = {step.partition(":")[2].rpartition("/")[0] for step in records if step.startswith("squeeze:")}
    mine, same = (records[f"squeeze:{model}/{name}"].facts for name in (choice["picked"], "int8"))
    points = 100 * (mine["accuracy_int8"]["point"] - same["accuracy_int8"]["point"])
    against = 100 * (mine["accuracy_int8"]["point"] - plain["accuracy_int8"]["point"])
    return [
        *(board, choice["picked"], share(mine), f"{points:+.1f}", f"{against:+.1f}"),
        f"{picked['image_bytes']:,} of {int8['image_bytes']:,}",
        f"{picked['image_bytes'] / int8['image_bytes']:.2f}",
        f"{picked['arena_bytes']:,} of {int8['arena_bytes']:,}",
        f"{picked['arena_bytes'] / int8['arena_bytes']:.2f}",
    ]


HEADERS = ("board", "picked", "test", "points", "to alone", "image", "ratio", "arena", "ratio")


def measure(wanted: Search, folder: Path) -> None:
    repository = Repository(wanted.example, folder, wanted.boards)
    root = repository.root
    if wanted.epochs is not None:
        rewrite(root, lambda spec: spec["training"].update(epochs=wanted.epochs))
    if wanted.test:
        rewrite(root, lambda spec: spec["split"].update(test=list(wanted.test)), "Dataset")
    tinyops(root, "keys", "new", "TINYOPS_IMAGE_KEY")
    _, alone_s = tinyops(root, "apply")
    plain = next(r for s, r in released(root, repository.catalog).items() if s.startswith("squeeze:"))
    print(f"int8 alone: {share(plain.facts)} on the test side, {plain.outputs['int8.tflite'].digest}, {alone_s:.0f} s")
    search_for(root, wanted)
    _, search_s = tinyops(root, "apply")
    records = released(root, repository.catalog)
    choices = {step.rpartition("/")[2]: r.facts["choice"] for step, r in records.items() if step.startswith("choose:")}
    count = max(len(choice["candidates"]) for choice in choices.values())
    what = f"{count} variants on {len(choices)} boards, prefer {wanted.prefer}"
    print(f"search: {what}: {search_s:.0f} s, wanted {SEARCH_S}")
    plans = [tinyops(root, "plan", "--detailed-exitcode")[1] for _ in range(PLANS)]
    print(f"plan with nothing to do: {min(plans):.2f} s, wanted {PLAN_S:g}")
    table(HEADERS, [row(board, choice, records, plain.facts) for board, choice in choices.items()])
    print("\nof the search, on the test side:")
    for step, record in sorted(records.items()):
        if step.startswith("squeeze:"):
            digest = record.outputs["int8.tflite"].digest if record.outputs else record.failure
            told = f"{share(record.facts)}  validation {record.facts['validation']['accuracy']['point']:.3f}"
            print(f"  {step.rpartition('/')[2]:<14} {told if record.outputs else 'failed'}  {digest}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="activity", choices=("activity", "keywords"))
    parser.add_argument("--boards", nargs="+", default=BOARDS, metavar="NAME")
    parser.add_argument("--variants", default=VARIANTS, metavar="YAML")
    parser.add_argument("--prefer", default="balanced", choices=("balanced", "size", "ram", "speed"))
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of training, of all variants: other than the example's"
    )
    parser.add_argument("--loss-max", type=float, default=0.01, metavar="SHARE", help="on the validation side")
    parser.add_argument("--test", nargs="+", default=(), metavar="SUBJECT", help="tested in place of the example's")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the repository there")
    arguments = parser.parse_args()
    heading(f"{arguments.example}: a variant for each board")
    of_model = (arguments.prefer, arguments.loss_max, arguments.epochs, arguments.test)
    wanted = Search(arguments.example, arguments.boards, arguments.variants, *of_model)
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True)
        measure(wanted, arguments.keep)
        return
    with tempfile.TemporaryDirectory(prefix="tinyops-squeeze-") as folder:
        measure(wanted, Path(folder))


if __name__ == "__main__":
    main()
