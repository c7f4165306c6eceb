"""What `tinyops init` writes: a user's repository that validates at once. Templates are files beside this one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from tinyops.boards.model import Board
from tinyops.documents import closest
from tinyops.errors import SpecError, UsageError
from tinyops.files import MIB, digest_bytes, pretty_json
from tinyops.scaffold.examples import EXAMPLES, example_templates
from tinyops.scaffold.recorded import EMPTY_INDEX, Recording, recorded_templates, recorded_values
from tinyops.scaffold.writing import write_scaffold

__all__ = ["DEFAULT_BOARD", "EXAMPLES", "FinishedModel", "Recording", "scaffold", "write_scaffold"]

DEFAULT_BOARD = "nano33ble"
TFLITE_LIMIT_BYTES = 64 * MIB
_TFLITE_MAGIC = b"TFL3"

_SHARED = {
    "specs/project.yaml": "shared/project.yaml.j2",
    "README.md": "shared/README.md.j2",
    ".gitignore": "shared/gitignore",
    ".github/workflows/plan.yml": "shared/plan.yml",
    ".github/workflows/comment.yml": "shared/comment.yml",
    ".github/workflows/apply.yml": "shared/apply.yml",
    ".github/workflows/drift.yml": "shared/drift.yml",
    ".github/workflows/metadata.yml": "shared/metadata.yml",
    ".github/tinyops.txt": "shared/tinyops.txt.j2",
}
_TRAINED = {
    "specs/motions.yaml": "trained/motions.yaml",
    "specs/activity.yaml": "trained/activity.yaml",
    "specs/fleets.yaml": "trained/fleets.yaml.j2",
}
_FINISHED = {"specs/models.yaml": "finished/models.yaml.j2", "specs/fleets.yaml": "finished/fleets.yaml.j2"}


@dataclass(frozen=True)
class FinishedModel:
    """A user's .tflite: its file name and its bytes."""

    file: str
    data: bytes


def scaffold(
    name: str,
    catalog: Mapping[str, Board],
    *,
    board: str = DEFAULT_BOARD,
    tflite: FinishedModel | None = None,
    example: str | None = None,
    recording: Recording | None = None,
) -> Mapping[str, bytes]:
    """The files of a new repository by relative path.

    `name` becomes the project's name; with `tflite` the repository is about that model, with `example` about one of
    `EXAMPLES`, with `recording` about what is yet to be recorded, otherwise about a small one that is trained on public
    recordings. Raises UsageError for an unknown board, example or sensor and SpecError for a file that is no .tflite.
    """
    if board not in catalog:
        raise UsageError(f"no board {board!r} in the catalogue", hint=closest(board, catalog))
    values: dict[str, Any] = {"name": spec_name(name, "fleet"), "board": board}
    values |= {"tflite": "", "example": example or "", "recorded": ""}
    templates, extra = {**_SHARED, **(_TRAINED if example is None else example_templates(example))}, {}
    if recording is not None:
        own = recorded_values(recording, catalog[board], values["name"])
        values |= own
        templates = {**_SHARED, **recorded_templates(own["recorded"], own["model"])}
        extra = {f"data/{own['recorded']}.csv": EMPTY_INDEX}
    if tflite is not None:
        _check_tflite(tflite)
        file = _file_name(tflite.file)
        values |= {"tflite": file, "model": spec_name(file.removesuffix(".tflite"), "model")}
        values["digest"] = digest_bytes(tflite.data)
        templates, extra = {**_SHARED, **_FINISHED}, {f"models/{file}": tflite.data}
    rendered = {path: _render(template, values) for path, template in templates.items()}
    return dict(sorted({**rendered, **extra, **_schemas()}.items()))


def spec_name(text: str, fallback: str) -> str:
    """The nearest name that a spec may have: `My Model v2` becomes `my-model-v2`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or fallback


def _file_name(file: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", file.removesuffix(".tflite")).lstrip(".-") + ".tflite"


def _check_tflite(model: FinishedModel) -> None:
    if len(model.data) > TFLITE_LIMIT_BYTES:
        raise SpecError(f"{model.file}: larger than {TFLITE_LIMIT_BYTES:,} bytes")
    if model.data[4:8] != _TFLITE_MAGIC:
        raise SpecError(f"{model.file}: is no .tflite file", hint="export the model as a quantised .tflite first")


def _render(template: str, values: Mapping[str, Any]) -> bytes:
    source = files("tinyops.scaffold").joinpath("templates", *template.split("/")).read_text(encoding="utf-8")
    if not template.endswith(".j2"):  # workflows hold ${{ }} of their own
        return source.encode()
    from jinja2 import Environment, StrictUndefined

    # Autoescape is for HTML; what goes in here are names that scaffold has made safe.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False)  # noqa: S701
    return environment.from_string(source).render(values).encode()


def _schemas() -> dict[str, bytes]:
    from tinyops.specs.schema import schemas

    return {f"generated/schema/{name}": pretty_json(schema) for name, schema in schemas().items()}
