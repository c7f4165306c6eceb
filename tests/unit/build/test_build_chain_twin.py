"""The step that runs a chain: what it reads, and of whose keys it is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_build_steps import CATALOG, MODEL, lock

from fakes.projects import TRAINED, WITHOUT_DATA, repository
from tinyops.artifacts import ALL_OUTPUTS, Artifact, InputRef, Step
from tinyops.build.steps import desired_steps
from tinyops.specs.loader import load_repository

CHAIN = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: MODEL
  security_counter: 2
  chain:
    parts:
      - {name: near, board: microbit, sensor: {kind: stream}}
      - {name: far, board: linux}
    links: [{from: near, to: far, kind: uart}]
"""


def chain_of(folder: Path, model: str, *documents: str) -> Step:
    bench = repository(folder, *documents, CHAIN.replace("MODEL", model), model=MODEL)
    last = desired_steps(load_repository(bench.root, catalog=CATALOG), lock(), CATALOG)[-1]
    assert last.id == "chain:wrist"
    return last


def test_a_chain_reads_what_its_parts_boot_and_the_whole_models_vectors(tmp_path: Path) -> None:
    step = chain_of(tmp_path / "bench", "motion", TRAINED)
    assert {name: ref for name, ref in step.inputs.items() if "." not in name or name.count(".") > 1} == {
        "near.contract.json": InputRef("compile:motion.wrist/near", "contract.json"),
        "near.compile.json": InputRef("compile:motion.wrist/near", "compile.json"),
        "far.contract.json": InputRef("compile:motion.wrist/far", "contract.json"),
        "far.compile.json": InputRef("compile:motion.wrist/far", "compile.json"),
    }
    assert step.inputs["split.json"] == InputRef("split:wrist", "split.json")
    assert step.inputs["golden.bin"] == InputRef("squeeze:motion/int8", "golden.bin")
    assert step.inputs["stream.bin"] == InputRef("squeeze:motion/int8", "stream.bin")
    assert step.inputs["near.firmware"] == InputRef("firmware:wrist/near", ALL_OUTPUTS)
    assert step.inputs["far.image"] == InputRef("image:motion.wrist/far", ALL_OUTPUTS)
    assert [part["name"] for part in step.settings["parts"]] == ["near", "far"]
    assert step.lock["part.near"]["emulator"] == {"name": "qemu-system-arm", "version": "7.2"}
    assert step.lock["firmware"] == lock().tinyops.firmware


def test_a_model_that_takes_tensors_has_no_stream(tmp_path: Path) -> None:
    step = chain_of(tmp_path / "bench", "tiny", WITHOUT_DATA)
    assert "stream.bin" not in step.inputs
    assert step.inputs["golden.bin"] == InputRef("squeeze:tiny/int8", "golden.bin")


@pytest.mark.parametrize(
    ("name", "files"),
    [("image", {"model.bin", "model.elf"}), ("eye.image", {"eye.model.bin", "eye.model.elf"})],
)
def test_all_outputs_come_under_their_names_and_a_parts_under_its_own(name: str, files: set[str]) -> None:
    made = {file: Artifact(f"sha256:{file}", 1) for file in ("model.bin", "model.elf")}
    found = InputRef("image:m/b", ALL_OUTPUTS).files(name, made)
    assert set(found) == files
    assert {artifact.digest for artifact in found.values()} == {"sha256:model.bin", "sha256:model.elf"}
    assert InputRef("image:m/b", "model.bin").files("eye.that", made) == {"eye.that": made["model.bin"]}
