"""SOFTMAX of int16 around 0, over the last dimension: two tables, as the interpreter fills them when it starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import quantise_multiplier
from tinyops.compiler.lowered import Call, Constant, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.int16 import LEAST, MOST, wide
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KERNEL = Kernel("kernels/softmax_int16.c", ("tinyops/kernels/softmax_int16.h",))
STEPS = 512  # of a table
REACH = 10.0  # exp of less is nothing
MOST_VALUES = 65_535  # whose exponentials add up within 31 bits
LARGEST_FACTOR = 2.0**14


def table(function: Callable[[NDArray[np.float32]], NDArray[np.float32]], low: float, high: float) -> NDArray[np.int16]:
    """(513) values of a function from `low` to `high` in steps of 2 / 65535, in the interpreter's float32 arithmetic.

    A value is moved by half of what interpolation misses in the middle behind it.
    """
    import numpy as np

    f32 = np.float32
    scale = f32(2.0) / f32(65535)
    per_unit = f32(65536) / (scale * f32(MOST) - scale * f32(LEAST))
    step = (f32(high) - f32(low)) / f32(STEPS)
    places = f32(low) + np.arange(STEPS, dtype=f32) * step
    following = f32(low) + np.arange(1, STEPS + 1, dtype=f32) * step
    here, middle = _rounded(function(places) * per_unit), _rounded(function(places + step / f32(2)) * per_unit)
    between = _rounded((function(following) * per_unit + here) / f32(2))
    moved = here - _rounded((between - middle) / f32(2))
    last = _rounded(function(np.array([high], f32)) * per_unit)
    found: NDArray[np.int16] = np.clip(np.concatenate([moved, last]), LEAST, MOST).astype(np.int16)
    return found


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Halves away from zero."""
    import numpy as np

    whole = np.trunc(values)
    found: NDArray[np.float32] = whole + np.where(abs(values - whole) >= 0.5, np.sign(values), 0).astype(np.float32)
    return found


def exponentials() -> NDArray[np.int16]:
    import numpy as np

    low = np.float32(REACH) / np.float32(65535) * np.float32(-65535)
    return table(lambda x: np.exp(x.astype(np.float64)).astype(np.float32), float(low), 0.0)


def reciprocals() -> NDArray[np.int16]:
    import numpy as np

    high = np.float32(1) / np.float32(65535) * np.float32(65535)
    return table(lambda x: np.float32(1) / (np.float32(1) + x), 0.0, float(high))


def _factor(view: OperatorView) -> float:
    return float(view.tensor(0).scale * view.options.beta / (REACH / 65535.0))


def lower(view: OperatorView) -> Lowered:
    source, factor = view.tensor(0), quantise_multiplier(_factor(view))
    depth = source.shape[-1]
    params: dict[str, Field] = {
        "rows": source.elements // depth,
        "depth": depth,
        "multiplier": factor.multiplier,
        "shift": factor.shift,
    }
    tables = (
        Constant("exps", "int16_t", exponentials(), "exp from -10 to 0"),
        Constant("reciprocals", "int16_t", reciprocals(), "1 / (1 + x) from 0 to 1"),
    )
    name = "tinyops_softmax_int16_wide"
    arguments = (Read(source.index), *tables, Write(view.output.index))
    return Lowered((Call(name, f"{name}_params", params, arguments),), KERNEL)


def _bad_factor(view: OperatorView) -> str | None:
    factor = _factor(view)
    good = math.isfinite(factor) and 0 < factor < LARGEST_FACTOR
    return None if good else f"beta is {view.options.beta:g}, the scale {view.tensor(0).scale:g}"


def _bad_output(view: OperatorView) -> str | None:
    scale = view.output.scale
    return None if abs(scale * 32768 - 1) <= 1e-3 else f"scale {scale:g}"


def _too_deep(view: OperatorView) -> str | None:
    depth = view.tensor(0).shape[-1]
    return None if depth <= MOST_VALUES else f"{depth:,}"


KINDS = (
    OperatorKind(
        "SOFTMAX",
        (
            *(c.operands(1, 1), wide(0, "input"), wide(-1, "output"), c.ranks(1, 8)),
            c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
            c.holds(f"the last dimension has at most {MOST_VALUES:,} values", _too_deep),
            c.holds("beta times the input's scale is above zero and below 2.5", _bad_factor),
            c.holds("the output has about scale 1/32768", _bad_output),
        ),
        lower,
    ),
)
