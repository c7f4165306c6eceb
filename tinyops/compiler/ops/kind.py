"""What each file of this package defines: one kind of operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tinyops.compiler.constraints import Constraint
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.view import OperatorView

Lowering: TypeAlias = Callable[[OperatorView], Lowered]
Variant: TypeAlias = Callable[[OperatorView], Lowered | None]


@dataclass(frozen=True)
class OperatorKind:
    """A TensorFlow Lite operator: its limits, and how it is lowered once they hold.

    `lower` serves on every core. `variants` are other ways to do the same, such as a kernel for some cores; each gives
    None where it cannot serve. The compiler chooses by what each costs.
    """

    name: str
    constraints: tuple[Constraint, ...]
    lower: Lowering
    variants: tuple[Variant, ...] = ()

    def candidates(self, view: OperatorView) -> tuple[Lowered, ...]:
        """Every way that serves here; `lower`'s is the first."""
        return (self.lower(view), *(found for variant in self.variants if (found := variant(view)) is not None))
