"""What kernels cost on a core, measured: the tables of tinyops/compiler/costs.py.

python benchmarks/bench_costs.py [--only FUNCTION ...] [--cores CORE ...]

Each kernel runs alone, on shapes that tell its counts (tinyops/compiler/work.py) apart, as a model image in QEMU under
`-icount shift=0`; instructions for each count are fitted so that relative errors are small, none below zero. Code and
stack are those of each kernel's object file, with the flags of images. Takes some minutes. Paste what it prints.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from _timing import heading, table

from tinyops.compiler.compiled import CompiledModel, compile_lowered
from tinyops.compiler.host import write_sources
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.image.build import COMMON_FLAGS, IMAGE_FLAGS, build_image, optimisation
from tinyops.compiler.image.elf import section_bytes
from tinyops.compiler.ops import kind_of
from tinyops.compiler.options import RUNTIME, CompileOptions
from tinyops.compiler.view import OperatorView
from tinyops.compiler.work import counts_of
from tinyops.features import TensorFeatures
from tinyops.graph import (
    ConvOptions,
    ElementwiseOptions,
    FullyConnectedOptions,
    Graph,
    LstmOptions,
    NoOptions,
    Operator,
    Options,
    PoolOptions,
    Quantisation,
    ReduceOptions,
    SoftmaxOptions,
    Tensor,
)
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, installed

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from fakes.cortexm import run_in_emulator  # noqa: E402

# Core of the tables -> the core that it is built for, and the one whose machine runs it: v7-M runs v6-M's code.
CORES = {"dsp": ("cortex-m4f", "cortex-m4f"), "v6m": ("cortex-m0plus", "cortex-m3")}
VECTORS = 2
SCALE, ZERO_POINT = 0.02, 3


@dataclass(frozen=True)
class Case:
    """A graph of one operator, and the function that is measured: the first of a candidate's calls."""

    graph: Graph
    function: str


# -- graphs of one operator ----------------------------------------------------------------------


def _quantised(index: int, shape: Sequence[int], scale: float = SCALE, zero_point: int = ZERO_POINT) -> Tensor:
    return Tensor(index, f"t{index}", tuple(shape), "int8", Quantisation((scale,), (zero_point,)))


def _constant(index: int, values: np.ndarray, scales: Sequence[float] = (1.0,), axis: int = 0) -> Tensor:
    quantisation = Quantisation(tuple(scales), (0,) * len(scales), axis)
    return Tensor(index, f"t{index}", values.shape, str(values.dtype), quantisation, values.tobytes())


def _graph(name: str, tensors: Sequence[Tensor], options: Options) -> Graph:
    """The last tensor is the output; those without data before it are the inputs, but for variables."""
    inputs = tuple(t.index for t in tensors[:-1] if t.data is None and not t.variable)
    operator = Operator(0, name, tuple(t.index for t in tensors[:-1]), (tensors[-1].index,), options)
    return Graph(f"cost-{name}", "sha256:" + "0" * 64, tuple(tensors), (operator,), inputs, (tensors[-1].index,))


def _weighted(
    name: str, source: tuple[int, ...], weights: tuple[int, ...], out: tuple[int, ...], options: Options
) -> Graph:
    rng, axis = np.random.default_rng(7), 3 if name.startswith("DEPTHWISE") else 0
    scales = rng.uniform(0.001, 0.004, weights[axis]).astype(np.float32)
    values = rng.integers(-127, 128, weights).astype(np.int8)
    bias = rng.integers(-2000, 2000, weights[axis]).astype(np.int32)
    inner = np.sqrt(np.prod(weights) / weights[axis])
    tensors = [
        _quantised(0, source),
        _constant(1, values, [float(s) for s in scales], axis),
        _constant(2, bias),
        _quantised(3, out, float(np.float32(0.004 * inner))),
    ]
    return _graph(name, tensors, options)


def _windowed(
    shape: tuple[int, int, int], filters: int, taps: tuple[int, int], stride: int, padding: str, depthwise: bool
) -> Graph:
    height, width, channels = shape
    out = [
        -(-e // stride) if padding == "SAME" else (e - t) // stride + 1
        for e, t in zip((height, width), taps, strict=True)
    ]
    weights = (1, *taps, filters) if depthwise else (filters, *taps, channels)
    multiplier = filters // channels if depthwise else 1
    options = ConvOptions(padding, (stride, stride), (1, 1), "NONE", multiplier)  # type: ignore[arg-type]
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    return _weighted(name, (1, *shape), weights, (1, *out, filters), options)


CONVOLUTIONS = (
    *(((8, 8, c), f, (1, 1), 1, "VALID") for c, f in ((8, 8), (16, 32), (64, 16), (20, 12), (3, 10))),
    *(((9, 9, c), f, (3, 3), s, "SAME") for c, f, s in ((3, 8, 2), (8, 8, 1), (16, 6, 1), (1, 16, 1))),
    *(((9, 10, c), f, (3, 3), 1, "VALID") for c, f in ((4, 8), (16, 16), (3, 4))),
    *(((20, 5, 1), 8, (10, 4), 2, "SAME"), ((5, 40, 6), 8, (1, 5), 1, "SAME"), ((4, 4, 64), 64, (1, 1), 1, "VALID")),
    *(((24, 24, 8), 2, (1, 1), 1, "VALID"), ((12, 12, 2), 24, (3, 3), 1, "SAME")),
)
FEW_PIXELS = tuple(((h, w, c), f, (1, 1), 1, "VALID") for h, w, c, f in ((1, 1, 64, 32), (3, 1, 40, 16), (3, 3, 32, 8)))
DEPTHWISE = (
    *(((e, e, c), c, (3, 3), s, p) for e, c, s, p in ((8, 8, 1, "SAME"), (9, 16, 2, "SAME"), (24, 4, 1, "SAME"))),
    *(((e, e, c), c, (3, 3), s, p) for e, c, s, p in ((3, 64, 1, "SAME"), (6, 32, 2, "SAME"), (12, 6, 1, "VALID"))),
    *(((25, 5, 16), 16, (3, 3), 1, "SAME"), ((48, 48, 2), 2, (3, 3), 1, "SAME"), ((33, 17, 3), 3, (3, 3), 2, "VALID")),
)
DEPTHWISE_WIDE = (
    ((8, 8, 8), 8, (5, 5), 1, "SAME"),
    ((8, 8, 3), 6, (3, 3), 1, "SAME"),
    ((20, 3, 10), 10, (4, 1), 1, "VALID"),
)
DENSE = ((16, 8), (64, 10), (128, 128), (640, 16), (8, 128), (40, 3))
POOLS = (((8, 8, 8), 2, 2), ((12, 12, 4), 3, 1), ((8, 8, 64), 8, 8), ((6, 6, 5), 3, 2), ((20, 4, 16), 2, 2))

RECURRENT = ((1, 64, 32), (4, 16, 8), (10, 28, 20), (1, 8, 40), (2, 128, 16), (3, 5, 13))


def _cases(core: str) -> Iterator[Case]:
    packed, narrow = ("packed", "") if core == "dsp" else ("lanes", "_lanes")
    for function in ("conv_2d", f"conv_2d_{packed}"):
        yield from (Case(_windowed(*shape, depthwise=False), function) for shape in CONVOLUTIONS)
    for function in ("depthwise_conv_2d", f"depthwise_3x3{narrow}"):
        more = DEPTHWISE_WIDE if function == "depthwise_conv_2d" else ()
        yield from (Case(_windowed(*shape, depthwise=True), function) for shape in (*DEPTHWISE, *more))
    for function in ("fully_connected", "fully_connected_packed" if core == "dsp" else "fully_connected_eights"):
        yield from (Case(_dense(*shape), function) for shape in DENSE)
    for function in ("lstm", *(["lstm_packed"] if core == "dsp" else [])):
        yield from (Case(_lstm(*shape), function) for shape in RECURRENT)
    for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for function in (name.lower(), *([f"{name.lower()}_packed"] if core == "dsp" else [])):
            yield from (Case(_pooled(name, *shape), function) for shape in POOLS)
    for function in ("softmax", "softmax_table"):
        yield from (Case(_softmax(rows, depth), function) for rows, depth in ((1, 2), (1, 12), (1, 100), (4, 10)))
    for name in ("ADD", "SUB", "MUL"):
        shapes = (((1, 64), (1, 64)), ((1, 8, 8, 16), (1, 8, 8, 16)), ((1, 8, 8, 16), (1, 1, 1, 16)))
        for function in (name.lower(), f"{name.lower()}_packed"):
            yield from (Case(_elementwise(name, *shape), function) for shape in shapes)
    yield from (Case(_mean(shape), "mean") for shape in ((4, 4, 8), (8, 8, 16), (3, 3, 64)))
    yield from (
        Case(_pad(shape, amount), "pad") for shape, amount in (((4, 4, 8), 1), ((9, 9, 3), 2), ((20, 20, 4), 1))
    )
    yield from (Case(_logistic(count), "lookup") for count in (16, 300, 2000))


def _int16_cases(core: str) -> Iterator[Case]:
    for function in ("conv_2d_int16", *(["conv_2d_int16_packed"] if core == "dsp" else [])):
        yield from (Case(_int16(_windowed(*shape, depthwise=False)), function) for shape in CONVOLUTIONS)
    shapes = (*DEPTHWISE, *DEPTHWISE_WIDE)
    yield from (Case(_int16(_windowed(*shape, depthwise=True)), "depthwise_int16") for shape in shapes)
    for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        yield from (Case(_int16(_pooled(name, *shape)), f"{name.lower()}_int16") for shape in POOLS)
    for name, function in (("ADD", "sum_int16"), ("MUL", "mul_int16")):
        pairs = (((1, 64), (1, 64)), ((1, 8, 8, 16), (1, 8, 8, 16)), ((1, 8, 8, 16), (1, 1, 1, 16)))
        yield from (Case(_int16(_elementwise(name, *shape)), function) for shape in pairs)
    yield from (Case(_int16(_mean(shape)), "mean_int16") for shape in ((4, 4, 8), (8, 8, 16), (3, 3, 64)))
    yield from (Case(_widening(count), "requantize") for count in (16, 300, 2000))


def _int16(graph: Graph) -> Graph:
    """The same with activations of int16, around 0 and in steps of a 256th."""

    def wide(tensor: Tensor) -> Tensor:
        if tensor.data is not None:
            is_bias = tensor.index == 2 and tensor.dtype == "int32"
            values = np.frombuffer(tensor.data, np.int32).astype(np.int64) * 256 if is_bias else None
            return tensor if values is None else replace(tensor, dtype="int64", data=values.tobytes())
        return replace(tensor, dtype="int16", quantisation=Quantisation((tensor.scale / 256,), (0,)))

    return replace(graph, tensors=tuple(map(wide, graph.tensors)))


def _widening(count: int) -> Graph:
    output = Tensor(1, "t1", (1, count), "int16", Quantisation((SCALE / 256,), (0,)))
    return _graph("QUANTIZE", [_quantised(0, (1, count)), output], NoOptions())


def _coded_cases(core: str) -> Iterator[Case]:
    """Of weights that are looked up."""
    for function in ("conv_2d_coded", *(["conv_2d_packed_coded"] if core == "dsp" else [])):
        for shape in (*CONVOLUTIONS, *FEW_PIXELS):
            yield Case(_few(_windowed(*shape, depthwise=False)), function)
    yield from (Case(_few(_windowed(*shape, depthwise=True)), "decode") for shape in DEPTHWISE_WIDE)
    yield from (Case(_few(_dense(*shape)), "fully_connected_coded") for shape in DENSE)


def _few(graph: Graph) -> Graph:
    """The same with weights of sixteen values."""
    values = np.random.default_rng(5).integers(0, 16, graph.tensors[1].shape).astype(np.int8) * 17 - 127
    weights = replace(graph.tensors[1], data=values.astype(np.int8).tobytes())
    return replace(graph, tensors=(graph.tensors[0], weights, *graph.tensors[2:]))


def _dense(inputs: int, outputs: int) -> Graph:
    options = FullyConnectedOptions("NONE", False, False)
    return _weighted("FULLY_CONNECTED", (1, inputs), (outputs, inputs), (1, outputs), options)


def _lstm(steps: int, inputs: int, units: int) -> Graph:
    rng, shapes = np.random.default_rng(7), [(units, inputs)] * 4 + [(units, units)] * 4
    weights = [
        _constant(i, rng.integers(-127, 128, shape).astype(np.int8), [0.01]) for i, shape in enumerate(shapes, 1)
    ]
    biases = [_constant(i, rng.integers(-2000, 2000, units).astype(np.int32)) for i in range(9, 13)]
    hidden = replace(_quantised(13, (1, units), 1 / 128, 0), variable=True, initial=bytes(units))
    cell = Tensor(14, "cell", (1, units), "int16", Quantisation((2.0**-12,), (0,)), None, True, bytes(2 * units))
    tensors = [_quantised(0, (1, steps, inputs)), *weights, *biases, hidden, cell, _quantised(15, (1, steps, units))]
    graph = _graph("UNIDIRECTIONAL_SEQUENCE_LSTM", tensors, LstmOptions("TANH", 10.0, False))
    operands = (*range(9), None, None, None, *range(9, 13), None, None, 13, 14, None, None, None, None)
    return replace(graph, operators=(replace(graph.operators[0], inputs=operands),))


def _pooled(name: str, shape: tuple[int, int, int], taps: int, stride: int) -> Graph:
    out = [(e - taps) // stride + 1 for e in shape[:2]]
    options = PoolOptions("VALID", (stride, stride), (taps, taps), "NONE")
    return _graph(name, [_quantised(0, (1, *shape)), _quantised(1, (1, *out, shape[2]))], options)


def _softmax(rows: int, depth: int) -> Graph:
    tensors = [_quantised(0, (rows, depth), 0.1), _quantised(1, (rows, depth), 1 / 256, -128)]
    return _graph("SOFTMAX", tensors, SoftmaxOptions(1.0))


def _elementwise(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> Graph:
    tensors = [_quantised(0, a), _quantised(1, b, 0.031), _quantised(2, a, 0.05)]
    return _graph(name, tensors, ElementwiseOptions("NONE"))


def _mean(shape: tuple[int, int, int]) -> Graph:
    axes = _constant(1, np.array([1, 2], np.int32))
    return _graph("MEAN", [_quantised(0, (1, *shape)), axes, _quantised(2, (1, shape[2]))], ReduceOptions(False))


def _pad(shape: tuple[int, int, int], amount: int) -> Graph:
    added = _constant(1, np.array([[0, 0], [amount, amount], [amount, amount], [0, 0]], np.int32))
    out = (1, shape[0] + 2 * amount, shape[1] + 2 * amount, shape[2])
    return _graph("PAD", [_quantised(0, (1, *shape)), added, _quantised(2, out)], NoOptions())


def _logistic(count: int) -> Graph:
    tensors = [_quantised(0, (1, count), 0.1), _quantised(1, (1, count), 1 / 256, -128)]
    return _graph("LOGISTIC", tensors, NoOptions())


# -- measuring -----------------------------------------------------------------------------------


def _measured(case: Case, core: str) -> tuple[str, tuple[int, ...], int] | None:
    """(function, counts, instructions); None where the candidate does not serve on that core."""
    built_for, runs_on = CORES[core]
    view = OperatorView(case.graph, case.graph.operators[0], built_for)
    kind = kind_of(view)
    assert kind is not None
    found = [c for c in kind.candidates(view) if c.calls[0].function == f"tinyops_{case.function}"]
    if not found:
        return None
    options = CompileOptions(cpu=built_for, prefer="speed")
    without = [kind.lower(view)] if len(found[0].calls) > 1 else []
    counts = []
    for lowered in (found[0], *without):
        compiled = compile_lowered(case.graph, (), ((lowered,),), TensorFeatures(), options)
        with tempfile.TemporaryDirectory() as name:
            counts.append(_instructions(compiled, Path(name), runs_on))
    return case.function, counts_of(case.graph, found[0].calls[0]), counts[0] - sum(counts[1:])


def _instructions(compiled: CompiledModel, folder: Path, runs_on: str) -> int:
    sources = [p.relative_to(folder).as_posix() for p in write_sources(compiled.sources, folder)]
    tool = installed("arm-none-eabi-gcc")
    image, _ = build_image(sources, header_assembly(compiled.header), compiled.options.cpu, tool, folder)
    rng = np.random.default_rng(1)
    vectors = [rng.integers(0, 256, compiled.header.input_bytes, np.uint8).tobytes() for _ in range(VECTORS)]
    runs = run_in_emulator(image, vectors, folder, runs_on)
    return max(count for part in runs for count, _ in part)


def fitted(counts: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Costs of each count, none negative, with the least relative squares."""
    active = [i for i in range(counts.shape[1]) if counts[:, i].any()]
    while True:
        costs = np.linalg.lstsq(counts[:, active] / wanted[:, None], np.ones(len(wanted)), rcond=None)[0]
        if (costs >= 0).all():
            break
        active.pop(int(np.argmin(costs)))
    found = np.zeros(counts.shape[1])
    found[active] = costs
    return found


def kernel_figures(core: str) -> dict[str, tuple[int, int]]:
    """Kernel's source -> bytes of code and small constants, bytes of stack of its hungriest function."""
    tool, cpu = installed("arm-none-eabi-gcc"), CORES[core][0]
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(RUNTIME / "include", folder / "include")
        for source in sorted((RUNTIME / "kernels").glob("*.c")):
            flags = [*CPU_FLAGS[cpu], *COMMON_FLAGS, *IMAGE_FLAGS, "-fstack-usage"]
            flags += optimisation(f"kernels/{source.name}", "balanced")
            run([tool.path, *flags, "-c", source, "-o", "kernel.o"], timeout_s=60, cwd=folder)
            sections = section_bytes((folder / "kernel.o").read_bytes())
            code = sum(size for section, size in sections.items() if section.startswith((".text", ".rodata")))
            stack = [int(line.split("\t")[1]) for line in (folder / "kernel.su").read_text().splitlines()]
            found[f"kernels/{source.name}"] = (code, sum(sorted(stack)[-2:]))
    return found


def main() -> None:
    arguments = _arguments()
    heading("Costs of kernels")
    rows: list[tuple[str, ...]] = []
    for core in arguments.cores:
        cases = [
            c
            for c in (*_cases(core), *_coded_cases(core), *_int16_cases(core))
            if not arguments.only or c.function in arguments.only
        ]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            found = [m for m in pool.map(lambda c, core=core: _measured(c, core), cases) if m]
        print(f'    "{core}": {{')
        for function in dict.fromkeys(name for name, _, _ in found):
            counts = np.array([c for name, c, _ in found if name == function], float)
            wanted = np.array([n for name, _, n in found if name == function], float)
            costs = fitted(counts, wanted)
            errors = counts @ costs / wanted - 1
            print(f'        "tinyops_{function}": ({", ".join(f"{c:.4g}" for c in costs)}),')
            rows.append((core, function, str(len(wanted)), f"{100 * abs(errors).max():.1f} %"))
        print("    },")
        print(f"    {core}: {kernel_figures(core)}")
    table(("core", "function", "shapes", "largest error"), rows)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=(), help="functions, without tinyops_")
    parser.add_argument("--cores", nargs="+", choices=CORES, default=tuple(CORES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
