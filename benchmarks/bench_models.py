"""What the example's models cost on each board, from real builds, beside the .tflite that an interpreter would carry.

python benchmarks/bench_models.py

An image holds weights and all the code that runs them; a .tflite still needs an interpreter, which is not counted
here. RAM and instructions have nothing fair to stand beside in one run, so they stand alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _repository import KEY, ROOT, example, use_released
from _timing import heading, ratio, table, tinyops

from tinyops.reconcile.world import released


def main() -> None:
    heading("Models of the example on their boards")
    with tempfile.TemporaryDirectory() as folder:
        root = _built(Path(folder) / "example")
        release = released(root)
        if release is None:
            raise SystemExit("nothing was released: run `tinyops apply` and read what it says")
        figures = json.loads(tinyops("show", "--json", cwd=root).stdout)["figures"]
        steps = release.manifest.steps
        rows = [_row(figure, {kind: steps[step].facts for kind, step in _steps(figure).items()}) for figure in figures]
    headers = ("model", "board", ".tflite", "weights", "code", "image", "of .tflite", "RAM", "MACs", "instructions")
    table((*headers, "a MAC", "bit-exact"), rows)
    print(
        f"bytes; instructions of one inference; bit-exact: golden vectors in the twin; release {release.manifest.tag}"
    )


def _built(root: Path) -> Path:
    """The release of `make demo` when it is what the specs ask for, else a fresh one."""
    example(root)
    tinyops("lock", cwd=root)
    if use_released(root) and tinyops("plan", "--detailed-exitcode", cwd=root, check=False).returncode == 0:
        print(f"from the release in {ROOT.name}/.tinyops")
        return root
    for name in ("releases", "trusted.pem"):
        path = root / ".tinyops" / name
        if path.exists():
            path.rename(path.with_name(f"not-used-{name}"))
    tinyops("keys", "new", KEY, cwd=root)
    tinyops("apply", cwd=root)
    return root


def _steps(figure: Mapping[str, Any]) -> dict[str, str]:
    subject = f"{figure['model']}/{figure['board']}"
    return {
        "squeeze": f"squeeze:{figure['model']}/int8",
        "compile": f"compile:{subject}",
        "image": f"image:{subject}",
    }


def _row(figure: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    image, tflite, macs = facts["image"], facts["squeeze"]["model_bytes"], facts["compile"]["macs"]
    instructions = figure["instructions"]
    return (
        figure["model"],
        figure["board"],
        f"{tflite:,}",
        f"{image['weights_bytes']:,}",
        f"{image['code_bytes']:,}",
        f"{image['image_bytes']:,}",
        ratio(image["image_bytes"], tflite),
        f"{figure['ram_bytes']:,}",
        f"{macs:,}",
        f"{instructions:,}" if instructions else "-",
        f"{instructions / macs:.1f}" if instructions else "-",
        f"{figure['vectors']} of {figure['vectors']}" if figure["bit_exact"] else "NO",
    )


if __name__ == "__main__":
    main()
