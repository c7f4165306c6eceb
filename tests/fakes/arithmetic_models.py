"""Models of many small arithmetic operators side by side: one compilation shows many shapes, scales and extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from fakes.tflite import ACTIVATIONS, DTYPES, Tflite

# Adds an operator with random shapes and scales; returns the graph's inputs that it needs, and its output.
Adder = Callable[[Tflite, np.random.Generator], tuple[list[int], int]]


def model_of(adder: Adder, rng: np.random.Generator, count: int) -> bytes:
    """`count` operators of a kind that share nothing."""
    model = Tflite()
    inputs, outputs = [], []
    for _ in range(count):
        needed, output = adder(model, rng)
        inputs += needed
        outputs.append(output)
    return model.build(inputs, outputs)


def any_of(adders: Sequence[Adder]) -> st.SearchStrategy[bytes]:
    """Models of one operator of one of these kinds."""
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(lambda add, seed: model_of(add, np.random.default_rng(seed), 1), st.sampled_from(adders), seeds)


def scale_of(rng: np.random.Generator, low: float = -9, high: float = 1) -> float:
    return float(np.float32(2 ** rng.uniform(low, high)))


def zero_of(rng: np.random.Generator) -> int:
    return int(rng.choice([-128, 0, 127])) if rng.random() < 0.3 else int(rng.integers(-128, 128))


def activation_of(rng: np.random.Generator) -> int:
    return ACTIVATIONS[str(rng.choice(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))]


def shape_of(rng: np.random.Generator, most: int = 5) -> tuple[int, ...]:
    return tuple(int(e) for e in rng.integers(1, most + 1, rng.integers(1, 5)))


# -- one operand ---------------------------------------------------------------------------------


def one_operand(name: str) -> Adder:
    """All 256 values of the input come from the test."""

    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        scale, zero_point = scale_of(rng, -9, 2), zero_of(rng)
        if name == "RSQRT":
            zero_point = -128
        out_scale, out_zero = float(np.float32(scale * 2 ** rng.uniform(-4, 4))), zero_of(rng)
        if name == "RSQRT":
            out_scale = float(np.float32(out_scale / scale / 200 / np.sqrt(scale)))
        fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "RELU6": (scale, zero_point)}
        out_scale, out_zero = fixed.get(name, (out_scale, out_zero))
        source = model.tensor((1, 256), scale=scale, zero_point=zero_point)
        output = model.tensor((1, 256), scale=out_scale, zero_point=out_zero)
        slope = {"table": "LeakyReluOptions", "alpha": float(rng.choice([0.1, 0.3, -0.2, 1.5, 0, 1e-6]))}
        model.operator(name, [source], [output], **(slope if name == "LEAKY_RELU" else {}))
        return [source], output

    return add


ONE_OPERAND = ("LOGISTIC", "TANH", "RELU", "RELU6", "LEAKY_RELU", "ELU", "ABS", "HARD_SWISH", "RSQRT")


# -- two operands --------------------------------------------------------------------------------


def two_operands(name: str, *, one_constant: bool = False, same_shape: bool = False) -> Adder:
    """Broadcast or not, either operand constant or not; with `one_constant` one of them is a single value."""
    table = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}.get(name)
    same_scales = name in ("MINIMUM", "MAXIMUM")

    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        shape = (1, 256) if one_constant else (3, int(rng.integers(1, 40))) if same_shape else shape_of(rng)
        drop = int(rng.integers(0, len(shape))) if rng.random() < 0.5 else 0
        other = tuple(1 if rng.random() < 0.3 else e for e in shape[drop:])
        other = () if one_constant and rng.random() < 0.5 else (1,) if one_constant else shape if same_shape else other
        a_scale, a_zero, b_scale, b_zero = scale_of(rng), zero_of(rng), scale_of(rng), zero_of(rng)
        scale, zero = _output_of(name, a_scale, b_scale, rng), zero_of(rng)
        if same_scales:
            b_scale, b_zero, scale, zero = a_scale, a_zero, a_scale, a_zero
        fixed = one_constant or name == "DIV" or (not same_shape and rng.random() < 0.4)
        data = rng.integers(-128, 128, other) if fixed else None
        if name == "DIV":
            data = np.where(data == b_zero, b_zero + (1 if b_zero < 127 else -1), data)
        a = model.tensor(shape, scale=a_scale, zero_point=a_zero)
        b = model.tensor(other, scale=b_scale, zero_point=b_zero, data=data)
        output = model.tensor(shape, scale=scale, zero_point=zero)
        operands = [a, b] if name in ("DIV", "PRELU") or rng.random() < 0.5 else [b, a]
        fields = {"table": table, "fusedActivationFunction": activation_of(rng)} if table else {}
        model.operator(name, operands, [output], **fields)
        return [a] if fixed else [a, b], output

    return add


def _output_of(name: str, a: float, b: float, rng: np.random.Generator) -> float:
    """An output scale at which results neither all saturate nor all vanish."""
    real = {
        "MUL": a * b * 100,
        "SQUARED_DIFFERENCE": max(a, b) ** 2 * 200,
        "DIV": a / b / 260,  # a quarter to four times this is what the interpreter can divide by any divisor
    }.get(name, max(a, b))
    return float(np.float32(real * 2 ** rng.uniform(-2, 2)))


TWO_OPERANDS = ("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "PRELU", "MINIMUM", "MAXIMUM")


# -- reductions ----------------------------------------------------------------------------------


def reduction(name: str) -> Adder:
    """Any set of dimensions of up to four, in any order, some of them counted from the end."""

    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        shape = shape_of(rng, 7)
        axes = [i for i in range(len(shape)) if rng.random() < 0.6] or [0]
        keep = bool(rng.random() < 0.5) or len(axes) == len(shape)
        out = tuple(1 if i in axes else e for i, e in enumerate(shape) if keep or i not in axes)
        given = [a - len(shape) if rng.random() < 0.3 else a for a in rng.permutation(axes)]
        scale, zero_point = scale_of(rng), zero_of(rng)
        out_scale = scale * (np.sqrt(np.prod(shape)) if name == "SUM" else 1) * 2 ** rng.uniform(-2, 2)
        same = name.startswith("REDUCE")
        source = model.tensor(shape, scale=scale, zero_point=zero_point)
        dimensions = model.tensor((len(axes),), "int32", data=given)
        made = {"scale": scale if same else out_scale, "zero_point": zero_point if same else zero_of(rng)}
        output = model.tensor(out, **made)
        model.operator(name, [source, dimensions], [output], table="ReducerOptions", keepDims=keep)
        return [source], output

    return add


def arg_extreme(name: str) -> Adder:
    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        shape = shape_of(rng, 7)
        axis = int(rng.integers(0, len(shape)))
        source = model.tensor(shape, scale=scale_of(rng), zero_point=zero_of(rng))
        given = axis - len(shape) if rng.random() < 0.3 else axis
        dimension = model.tensor((1,) if rng.random() < 0.5 else (), "int32", data=[given])
        output = model.tensor((*shape[:axis], *shape[axis + 1 :]), "int32")
        table = f"{name.title().replace('_', '')}Options"
        model.operator(name, [source, dimension], [output], table=table, outputType=DTYPES["int32"])
        return [source], output

    return add


# -- rows and matrices ---------------------------------------------------------------------------


def rows(name: str) -> Adder:
    """SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION."""
    table, scale, zero_point = {
        "SOFTMAX": ("SoftmaxOptions", 1 / 256, -128),
        "LOG_SOFTMAX": ("LogSoftmaxOptions", 16 / 256, 127),
        "L2_NORMALIZATION": ("L2NormOptions", 1 / 128, 0),
    }[name]

    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        shape = (int(rng.integers(1, 4)), int(rng.integers(1, 20) if rng.random() < 0.7 else rng.integers(100, 500)))
        source = model.tensor(shape, scale=scale_of(rng, -12, 2), zero_point=zero_of(rng))
        output = model.tensor(shape, scale=scale, zero_point=zero_point)
        beta = {"beta": float(rng.choice([1, 1, 0.5, 2]))} if name == "SOFTMAX" else {}
        model.operator(name, [source], [output], table=table, **beta)
        return [source], output

    return add


def real_softmax(name: str) -> Adder:
    """After DEQUANTIZE, as models have it that end in float32."""

    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        shape = (int(rng.integers(1, 3)), int(rng.integers(1, 30)))
        source = model.tensor(shape, scale=scale_of(rng, -6, 2), zero_point=zero_of(rng))
        real, output = model.tensor(shape, "float32"), model.tensor(shape, "float32")
        model.operator("DEQUANTIZE", [source], [real], table="DequantizeOptions")
        beta = {"beta": float(rng.choice([1, 1, 0.5, 2]))} if name == "SOFTMAX" else {}
        model.operator(name, [real], [output], table="SoftmaxOptions" if beta else "LogSoftmaxOptions", **beta)
        return [source], output

    return add


def batch_matmul(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
    rows_, depth, columns = (int(e) for e in rng.integers(1, 9, 3))
    batches = tuple(int(e) for e in rng.integers(1, 4, rng.integers(0, 3)))
    other = tuple(1 if rng.random() < 0.3 else e for e in batches[int(rng.integers(0, len(batches) + 1)) :])
    swap_a, swap_b = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    a_scale, b_scale = scale_of(rng), scale_of(rng)
    fixed = rng.random() < 0.4
    a_shape = (*batches, depth, rows_) if swap_a else (*batches, rows_, depth)
    b_shape = (*other, columns, depth) if swap_b else (*other, depth, columns)
    data = rng.integers(-128, 128, b_shape) if fixed else None
    a = model.tensor(a_shape, scale=a_scale, zero_point=zero_of(rng))
    b = model.tensor(b_shape, scale=b_scale, zero_point=zero_of(rng), data=data)
    scale = float(np.float32(a_scale * b_scale * 74 * np.sqrt(depth) * 2 ** rng.uniform(-2, 2)))
    output = model.tensor((*batches, rows_, columns), scale=scale, zero_point=zero_of(rng))
    model.operator("BATCH_MATMUL", [a, b], [output], table="BatchMatMulOptions", adjX=swap_a, adjY=swap_b)
    return [a] if fixed else [a, b], output


# -- edges ---------------------------------------------------------------------------------------


def quantize(source_type: str, output_type: str) -> Adder:
    """QUANTIZE between any two types, DEQUANTIZE where the output is float32."""

    def quantisation(dtype: str, rng: np.random.Generator, scale: float) -> dict[str, float]:
        if dtype == "float32":
            return {}
        zero_point = {"int8": 0, "uint8": 128}.get(dtype)
        return {"scale": scale, "zero_point": 0 if zero_point is None else zero_of(rng) + zero_point}

    def add(model: Tflite, rng: np.random.Generator) -> tuple[list[int], int]:
        count = int(rng.integers(1, 300))
        scale = scale_of(rng)
        wide = {"int16": 2**8, "int32": 2**24}  # times the values of an int8
        ratio = wide.get(source_type, 1) / wide.get(output_type, 1)
        out_scale = float(np.float32(scale * ratio * 2 ** rng.uniform(-2, 2)))
        source = model.tensor((1, count), source_type, **quantisation(source_type, rng, scale))
        output = model.tensor((1, count), output_type, **quantisation(output_type, rng, out_scale))
        name = "DEQUANTIZE" if output_type == "float32" else "QUANTIZE"
        model.operator(name, [source], [output], table=f"{name.capitalize()}Options")
        return [source], output

    return add


EDGES = (
    *(("float32", "int8"), ("uint8", "int8"), ("int8", "int8"), ("int8", "uint8"), ("int8", "int16")),
    *(("int8", "int32"), ("int16", "int8"), ("int16", "int16"), ("int16", "int32"), ("int32", "int8")),
    *(("int32", "int16"), ("int8", "float32"), ("uint8", "float32"), ("int16", "float32")),
)

# -- as strategies -------------------------------------------------------------------------------


def drawn_from(adder: Adder) -> st.SearchStrategy[bytes]:
    """Models of a few operators of a kind."""
    return st.integers(0, 2**32 - 1).map(lambda seed: model_of(adder, np.random.default_rng(seed), 3))


# Each operator by itself.
ARITHMETIC = {
    **{name.lower(): drawn_from(one_operand(name)) for name in ONE_OPERAND},
    **{name.lower(): drawn_from(two_operands(name)) for name in TWO_OPERANDS},
    **{name.lower(): drawn_from(reduction(name)) for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")},
    **{name.lower(): drawn_from(arg_extreme(name)) for name in ("ARG_MAX", "ARG_MIN")},
    **{name.lower(): drawn_from(rows(name)) for name in ("LOG_SOFTMAX", "L2_NORMALIZATION")},
    "batch_matmul": drawn_from(batch_matmul),
    **{f"{source}_to_{output}": drawn_from(quantize(source, output)) for source, output in EDGES},
}
# By the way in which outputs may lie over inputs.
STRATEGIES = {
    "two operands": any_of([two_operands(name) for name in TWO_OPERANDS]),
    "reductions": any_of([reduction(name) for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")]),
    "rows": any_of([rows("LOG_SOFTMAX"), rows("L2_NORMALIZATION")]),
    "edges": any_of([quantize(*pair) for pair in EDGES]),
}
