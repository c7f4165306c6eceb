"""What each file of this package defines: one kind of operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyops.compiler.constraints import Constraint
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.view import OperatorView


@dataclass(frozen=True)
class OperatorKind:
    """A TensorFlow Lite operator: its limits, and how it is lowered once they hold."""

    name: str
    constraints: tuple[Constraint, ...]
    lower: Callable[[OperatorView], Lowered]
