"""A model with variants: not searched while its first one fits; searched, interrupted, carried on; held by a gate."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fakes.projects import STREAM, TRAINED, Repository, fleet, locked, repository

pytestmark = pytest.mark.build

SEARCHED = (
    TRAINED.replace("units: 4", "units: 160")
    + "  squeeze: {variants: [int8, {width: 0.1}, {per: tensor}], prefer: size}\n"
)
PATIENCE_S = 60
SPEC = "specs/fleets.yaml"


def figures(bench: Repository) -> dict[str, int]:
    """What each variant takes of flash, as the last release says."""
    choice = bench.manifest()["steps"]["choose:desk/linux"]["facts"]["choice"]
    return {c["variant"]: c["flash_bytes"] for c in choice["candidates"]}


def with_gate(bench: Repository, most: int) -> None:
    text = (bench.root / SPEC).read_text().split("  gates:")[0].rstrip()
    bench.write(SPEC, f"{text}\n  gates: {{flash_bytes_max: {most}}}\n")


def test_a_search_from_its_plan_to_a_gate_that_no_variant_keeps(tmp_path: Path) -> None:
    bench = locked(repository(tmp_path / "bench", SEARCHED, fleet("desk", "motion", {"linux": STREAM})))

    planned = bench.ok("plan").out
    assert "wrist" not in planned and "w0.1" not in planned  # what waits for `fits` is counted
    assert "5 more steps wait for what it says" in planned and "desk/linux: known after apply" in planned
    first = bench.ok("apply")
    assert not any("w0.1" in line for line in first.built)
    assert "motion/int8" in first.out and ".tinyops/variants.html" in first.out
    assert bench.run("plan", "--detailed-exitcode").code == 0

    with_gate(bench, figures(bench)["int8"] - 1)  # a board that grew too small: the search is needed now
    child = bench.start("apply", "--jobs", "1")
    assert child.stderr is not None
    seen = []
    for line in child.stderr:
        seen.append(" ".join(line.split()))
        if seen[-1].startswith("quantise motion/w0.1 …"):
            break
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(PATIENCE_S) == 130
    assert any(line.startswith("train motion/w0.1 done") for line in seen)
    second = bench.ok("apply")
    assert "quantise motion/w0.1" in second.built and "train motion/w0.1" not in second.built
    assert "motion/w0.1" in second.out
    shown = bench.ok("squeeze", "--json").json["choices"][0]
    lost = {c["variant"]: c["lost"] for c in shown["candidates"]}
    assert (shown["picked"], lost["int8"]) == ("w0.1", "needs 1 byte more flash than flash_bytes_max allows")
    assert bench.run("plan", "--detailed-exitcode").code == 0

    with_gate(bench, 1000)
    held = bench.run("apply")
    assert held.code == 67
    assert "at most 1,000 wanted; of 3 variants w0.1 comes nearest" in held.err
    assert bench.manifest()["fleets"]["desk"]["boards"]["linux"]["figures"]["variant"] == "w0.1"
