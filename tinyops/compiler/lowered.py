"""What an operator becomes: calls of kernels with constant parameters. Between lowering and emitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A C initialiser: a number, an array or a nested struct.
Field: TypeAlias = int | float | tuple[int, ...] | Mapping[str, "Field"]


@dataclass(frozen=True)
class Read:
    """Pointer to a tensor that a kernel reads: in the arena, or a constant."""

    tensor: int


@dataclass(frozen=True)
class Write:
    """Pointer to a tensor in the arena that a kernel writes."""

    tensor: int


@dataclass(frozen=True)
class Constant:
    """Pointer to an array in flash. `name` is unique within its operator; values in the order they are read."""

    name: str
    ctype: str
    values: NDArray[Any]
    note: str

    @property
    def bytes(self) -> int:
        return int(self.values.nbytes)


@dataclass(frozen=True)
class Scratch:
    """Pointer to memory that a kernel may write while it runs. It lies on the stack."""

    ctype: str
    count: int


Argument: TypeAlias = Read | Write | Constant | Scratch


@dataclass(frozen=True)
class Call:
    """One call: `function(&params, arguments...)` with `params` of type `function`_params unless named."""

    function: str
    params_type: str
    params: Mapping[str, Field]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Kernel:
    """A kernel's files below runtime/: its C source and the headers it needs beside the common ones."""

    source: str
    headers: tuple[str, ...]


@dataclass(frozen=True)
class Lowered:
    """An operator's calls. No calls: its output lies where its input lies."""

    calls: tuple[Call, ...]
    kernel: Kernel | None
    macs: int = 0

    @property
    def constants(self) -> tuple[Constant, ...]:
        return tuple(a for call in self.calls for a in call.arguments if isinstance(a, Constant))
