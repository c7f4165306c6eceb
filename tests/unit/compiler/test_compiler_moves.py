"""Moves inside the arena: taken where they are worth their bytes, and right when they run."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.compiled import compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.tflite import PADDING, Tflite
from tinyops.compiler import arena
from tinyops.compiler.memory import Buffer, Over, overlaps
from tinyops.compiler.moves import best_layout, moved_name

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")


def sliding(count: int, size: int, distance: int) -> tuple[list[Buffer], list[Over]]:
    buffers = [Buffer(f"t{i}", size, i, i + 1) for i in range(count)]
    return buffers, [Over(f"t{i + 1}", f"t{i}", distance) for i in range(count - 1)]


def test_moves_that_are_worth_it_and_moves_that_are_not():
    buffers, overs = sliding(9, 2048, 256)
    still = best_layout(buffers, overs, "speed")
    assert still.moved == ()
    assert still.plan.arena_bytes == still.plan.lower_bound == 2048 + 8 * 256
    most = best_layout(buffers, overs, "ram")
    assert most.plan.arena_bytes == most.plan.lower_bound == 2048 + 256
    some = best_layout(buffers, overs, "balanced")
    assert most.plan.arena_bytes <= some.plan.arena_bytes < still.plan.arena_bytes
    assert overlaps(some.buffers, some.plan, some.overs) == []
    assert {b.name for b in some.buffers} == {b.name for b in buffers} | {moved_name(m) for m in some.moved}
    assert best_layout(*sliding(3, 60000, 16), "balanced").moved == (), "120,000 bytes moved to save 16"


chains = st.tuples(st.integers(2, 7), st.integers(1, 2000), st.integers(0, 300))


@settings(deadline=None, max_examples=30)
@given(chains, st.sampled_from(["balanced", "ram", "speed", "size"]))
def test_layouts_are_sound(chain, prefer):
    buffers, overs = sliding(*chain)
    layout = best_layout(buffers, overs, prefer)
    assert overlaps(layout.buffers, layout.plan, layout.overs) == []
    assert layout.plan.lower_bound <= layout.plan.arena_bytes


def depthwise_chain(count: int) -> bytes:
    """Layers that each need a row and a pixel of distance."""
    rng = np.random.default_rng(2)
    model, edge = Tflite(), {"scale": 0.05, "zero_point": 3}
    last = first = model.tensor((1, 12, 12, 8), **edge)
    for _ in range(count):
        weights = model.tensor((1, 3, 3, 8), scale=0.02, data=rng.integers(-40, 41, (1, 3, 3, 8)))
        output = model.tensor((1, 12, 12, 8), **edge)
        window = {"padding": PADDING["SAME"], "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        model.operator(
            "DEPTHWISE_CONV_2D",
            [last, weights, -1],
            [output],
            table="DepthwiseConv2DOptions",
            depthMultiplier=1,
            **window,
        )
        last = output
    return model.build([first], [last])


@needs_gcc
@pytest.mark.parametrize("prefer", ["balanced", "ram"])
def test_moved_tensors_give_the_same_outputs(monkeypatch, prefer):
    model = depthwise_chain(9)
    compiled = compile_bytes(model, prefer=prefer)
    assert compiled.arena.moved
    assert len(re.findall(r"tinyops_move\(", compiled.sources["model.c"])) == len(compiled.arena.moved)
    assert "kernels/move.c" in compiled.sources
    inputs = random_inputs(compiled, 3, seed=4)
    monkeypatch.setattr(arena, "overlaps_of", lambda call: ())
    apart = compile_bytes(model)
    assert not apart.arena.moved
    assert "kernels/move.c" not in apart.sources
    assert compiled.arena.bytes < apart.arena.bytes == 2 * 12 * 12 * 8
    wanted = run_compiled(apart, input_vectors(apart, inputs))
    assert len(set(wanted)) == 3
    assert run_compiled(compiled, input_vectors(compiled, inputs)) == wanted
