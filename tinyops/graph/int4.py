"""Values of four bits in a file: two a byte, the first in its lower half."""

from __future__ import annotations

PACKED = "int4"
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})  # whose weights may be such
HINT = "quantise its weights to int8"


def packed_bytes(elements: int) -> int:
    return (elements + 1) // 2


def unpacked(data: bytes, elements: int) -> bytes:
    """The same values as int8."""
    import numpy as np

    halves = np.frombuffer(data, np.uint8)
    values = np.stack([halves & 15, halves >> 4], axis=1).reshape(-1)[:elements].astype(np.int8)
    return bytes((values - 16 * (values > 7)).astype(np.int8).tobytes())


def misuse(operator: str, operand: int, scales: int) -> str:
    """Why an operator cannot have such an operand; empty when it can. What is allowed is what tflite-micro computes."""
    if operator not in WEIGHTED or operand != 1:
        return f"its input {operand} is int4, which is supported of weights of {', '.join(sorted(WEIGHTED))} alone"
    if operator == "FULLY_CONNECTED" and scales > 1:
        return f"its int4 weights have {scales} scales; tflite-micro computes dense layers of int4 with one"
    return ""
