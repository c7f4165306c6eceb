"""Fleets with chains: their documents, a small model that can be cut anywhere, and what their parts boot."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fakes.projects import PROJECT, Repository, locked
from fakes.tflite import Tflite
from tinyops.reconcile.virtual import released_chain
from tinyops.reconcile.world import observe
from tinyops.split.document import SplitDocument
from tinyops.twin.chain_step import read_chain, terms_of
from tinyops.twin.chained import PartBoard
from tinyops.twin.golden import Golden, read_golden
from tinyops.twin.wire import Terms

MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {{name: {name}}}
spec:
  input: {{features: [tensor]}}
  architecture: {{kind: tflite, file: ../models/{name}.tflite, sha256: "sha256:{digest}"}}
"""


def layered(widths: Sequence[int] = (64, 600, 96, 700, 5), *, seed: int = 4) -> bytes:
    """A full-integer .tflite of dense layers, so many values wide; between any two it can be cut."""
    model, numbers = Tflite(), np.random.default_rng(seed)
    before = first = model.tensor((1, widths[0]), scale=0.5, zero_point=3, name="input")
    for i, (takes, gives) in enumerate(itertools.pairwise(widths)):
        weights = model.tensor((gives, takes), scale=0.01, data=numbers.integers(-127, 128, (gives, takes)))
        bias = model.tensor((gives,), "int32", scale=0.005, data=numbers.integers(-90, 90, (gives,)))
        after = model.tensor((1, gives), scale=0.5, zero_point=-4 + i, name=f"layer{i}")
        fields = {"table": "FullyConnectedOptions", "fusedActivationFunction": 0}
        model.operator("FULLY_CONNECTED", [before, weights, bias], [after], **fields)
        before = after
    return model.build([first], [before])


def model_document(name: str, data: bytes) -> str:
    return MODEL.format(name=name, digest=hashlib.sha256(data).hexdigest())


def chain_document(name: str, model: str, *parts: str, link: str = "kind: uart, baud: 1000000", more: str = "") -> str:
    """Parts are boards, called p0, p1, …"""
    sensor = ", sensor: {kind: stream, port: serial}"
    lines = "".join(f"      - {{name: p{i}, board: {b}{'' if i else sensor}}}\n" for i, b in enumerate(parts))
    links = "".join(f"      - {{from: p{i}, to: p{i + 1}, {link}}}\n" for i in range(len(parts) - 1))
    head = f"apiVersion: tinyops/v1\nkind: Fleet\nmetadata: {{name: {name}}}\nspec:\n  model: {model}\n"
    return f"{head}  chain:\n    parts:\n{lines}    links:\n{links}{more or '  split: auto' + chr(10)}"


def repository_of(
    folder: Path, models: Mapping[str, bytes], *documents: str, boards: Mapping[str, str] = MappingProxyType({})
) -> Repository:
    """Locked, with its models, fleets and boards, and not applied."""
    made = Repository(folder)
    made.write("specs/project.yaml", PROJECT)
    for name, data in models.items():
        made.write(f"models/{name}.tflite", data)
    for name, text in boards.items():
        made.write(f"specs/boards/{name}.yaml", text)
    described = [model_document(name, data) for name, data in models.items()]
    made.write("specs/fleets.yaml", "---\n".join([*described, *documents]))
    return locked(made)


@dataclass(frozen=True)
class ReleasedParts:
    """What of a fleet's chain was released: how it is cut, what its parts boot, what the whole model gives."""

    split: SplitDocument
    parts: tuple[PartBoard, ...]
    golden: Golden

    @property
    def terms(self) -> list[Terms]:
        return [terms_of(link) for link in self.split.links]

    def with_model_of(self, position: int, other: PartBoard) -> tuple[PartBoard, ...]:
        """With the model of another part at that place, as a wrong cable would bring it."""
        part = self.parts[position]
        mixed = {**part.files, **{n: p for n, p in other.files.items() if n.startswith(("model.", "image."))}}
        return (*self.parts[:position], replace(part, files=mixed), *self.parts[position + 1 :])


def parts_of(bench: Repository, fleet: str) -> ReleasedParts:
    found = released_chain(observe(bench.root), fleet)
    split, parts = read_chain(found.step, found.files)
    return ReleasedParts(split, tuple(parts), read_golden(found.files["golden.bin"]))
