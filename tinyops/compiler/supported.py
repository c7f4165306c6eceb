"""What the compiler supports, as text: the same sentences that its errors use."""

from __future__ import annotations


def supported_operators() -> dict[str, tuple[str, ...]]:
    """Operator -> its limits, sorted by name; those of int16 activations have a name of their own."""
    from tinyops.compiler.ops import INT16, OPERATORS
    from tinyops.graph.resources import LIMITS

    named = {**OPERATORS, **{f"{name}{_INT16}": kind for name, kind in INT16.items()}}
    found = {name: tuple(c.sentence for c in kind.constraints) for name, kind in named.items()}
    return dict(sorted({**found, **LIMITS}.items()))


_INT16 = ", int16 activations"


def supported_page() -> str:
    """The Markdown page of supported operators."""
    parts = [
        "# Supported operators\n\nint8 models, one subgraph beside those that initialise resources, batch 1, "
        "fixed shapes. Each line is a limit; a model beyond it is refused with that sentence. Operators that have a "
        "heading of their own for it take int16 activations with int8 weights (16x8); those that only move values do "
        "where a line says so. Refused as a whole are models without int8 (float32, hybrid) and with uint8 weights "
        "(TensorFlow 1). Inputs in float32 that are NaN, infinite or beyond an int32 are quantised as the interpreter "
        "does on a PC.\n"
    ]
    for name, sentences in supported_operators().items():
        parts.append(f"\n## {name}\n\n" + "".join(f"- {sentence}\n" for sentence in sentences))
    return "".join(parts)
