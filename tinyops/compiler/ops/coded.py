"""Weights of at most sixteen different values, as the kernels read them that look them up; see kernels/coded.h.

What is stored of each weight is its place in a table, in four bits. Nothing is lost: the values are those of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.compiler.lowered import Call, Constant, Kernel, Lowered, Scratch
from tinyops.compiler.ops.weighted import DOT_HEADER, per_channel
from tinyops.compiler.view import OperatorView, int64_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODES = 16  # TINYOPS_CODES
LEAST_WEIGHTS = 64  # fewer save next to nothing, and may have few values by chance
CODED_HEADERS = ("tinyops/kernels/coded.h", DOT_HEADER)
DECODE = "tinyops_decode"
DECODE_KERNEL = Kernel("kernels/decode.c", ("tinyops/kernels/decode.h", *CODED_HEADERS), reads_flash=True)
_SOURCES = ("conv_2d_coded", "conv_2d_packed_coded", "decode", "fully_connected_coded")
CODED_KERNELS = frozenset(f"kernels/{name}.c" for name in _SOURCES)


@dataclass(frozen=True)
class Coded:
    """Codes, two a byte, each channel's from a byte on, and the sixteen values that they stand for."""

    codes: NDArray[Any]
    table: NDArray[Any]

    def constants(self, note: str) -> tuple[Constant, Constant]:
        return (
            Constant("codes", "uint8_t", self.codes, f"{note}, as codes of four bits"),
            Constant("table", "int8_t", self.table, "what the codes stand for"),
        )


def is_coded(lowered: Lowered) -> bool:
    """Whether an operator's weights are stored as codes."""
    return any(kernel.source in CODED_KERNELS for kernel in lowered.kernels)


def coded(view: OperatorView, axis: int) -> Coded | None:
    """The weights of an operator, channel by channel; None where they have too many values, or too few are there.

    Activations are int8.
    """
    if view.tensor(0).dtype != "int8":
        return None
    return coded_rows(per_channel(int64_values(view.tensor(1)), axis))


def coded_rows(rows: NDArray[Any]) -> Coded | None:
    """Rows of weights (rows, values) as codes; None where that is none or does not pay."""
    import numpy as np

    values, codes = np.unique(rows, return_inverse=True)
    if rows.size < LEAST_WEIGHTS or len(values) > CODES:
        return None
    table = np.zeros(CODES, np.int8)
    table[: len(values)] = values
    padded = np.pad(codes.reshape(rows.shape).astype(np.uint8), ((0, 0), (0, rows.shape[1] % 2)))
    return Coded((padded[:, 0::2] | padded[:, 1::2] << 4).reshape(-1), table)


def coded_like(rows: NDArray[Any], filled: NDArray[Any]) -> Coded | None:
    """`filled` as codes: the weights of `rows` in another order, with zeros that may be read as anything between."""
    import numpy as np

    found = coded_rows(rows)
    if found is None:
        return None
    return coded_rows(filled if 0 in rows else np.where(filled == 0, rows.flat[0], filled))


def coded_bytes(rows: NDArray[Any]) -> int:
    """What rows of weights take in flash at the least."""
    found = coded_rows(rows)
    return int(rows.size if found is None else min(rows.size, found.codes.size + found.table.size))


def decoded_first(lowered: Lowered | None) -> Lowered | None:
    """The same with coded weights, which lie in the arena while it runs; None where its weights cannot be coded.

    The kernel itself does not know: so it must read its weights, and nothing else, as int8 in RAM.
    """
    if lowered is None or len(lowered.calls) != 1:
        return None
    (call,) = lowered.calls
    weights = next((a for a in call.arguments if isinstance(a, Constant) and a.name == "weights"), None)
    found = None if weights is None or weights.ctype != "int8_t" else coded_rows(weights.values.reshape(1, -1))
    if weights is None or found is None:
        return None
    room = Scratch("int8_t", weights.values.size, offset=_behind(call))
    decode = Call(DECODE, f"{DECODE}_params", {"count": weights.values.size}, (*found.constants(weights.note), room))
    arguments = tuple(room if a is weights else a for a in call.arguments)
    reading = Call(call.function, call.params_type, call.params, arguments)
    return Lowered((decode, reading), lowered.kernel, lowered.macs, (DECODE_KERNEL,))


def _behind(call: Call) -> int:
    """Where a call's own scratch ends, at a multiple of 16."""
    taken = sum(a.bytes for a in call.arguments if isinstance(a, Scratch))
    return -(-taken // 16) * 16
