"""What an operator becomes: calls of kernels with constant parameters. Between lowering and emitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A C initialiser: a number, an expression, an array or a nested struct.
Field: TypeAlias = int | float | str | tuple["int | str", ...] | Mapping[str, "Field"]

CTYPES = MappingProxyType(
    {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "float32": "float"}
)
CTYPE_BYTES = MappingProxyType({"int8_t": 1, "uint8_t": 1, "int16_t": 2, "int32_t": 4, "uint32_t": 4})


@dataclass(frozen=True)
class Read:
    """Pointer to a tensor that a kernel reads: in the arena, or a constant."""

    tensor: int


@dataclass(frozen=True)
class Write:
    """Pointer to a tensor in the arena that a kernel writes."""

    tensor: int


@dataclass(frozen=True)
class Update:
    """Pointer to a variable in the arena that a kernel reads and writes."""

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
    """Pointer to `count` values in the arena that a kernel may use while it runs, at a multiple of 16.

    All of an operator's lie in one buffer, each `offset` bytes into it; those of one call share no byte.
    """

    ctype: str
    count: int
    offset: int = 0

    @property
    def bytes(self) -> int:
        return self.count * CTYPE_BYTES[self.ctype]

    @property
    def end(self) -> int:
        return self.offset + self.bytes


@dataclass(frozen=True)
class Place:
    """Pointer to a fixed offset of the arena, written or read: moves that the planner adds."""

    offset: int
    written: bool


@dataclass(frozen=True)
class Expression:
    """A pointer that the generated function has computed, as C text."""

    text: str


Tensors = (Read, Write, Update, Place)
Argument: TypeAlias = Read | Write | Update | Constant | Scratch | Place | Expression


@dataclass(frozen=True)
class Share:
    """Tensor `part` may lie `offset` bytes into tensor `whole`: both then hold the same bytes there."""

    part: int
    whole: int
    offset: int = 0


@dataclass(frozen=True)
class Call:
    """One call: `function(&params, arguments...)` with `params` of type `function`_params unless named.

    With a `share`, the call is left out where its two tensors lie like that.
    """

    function: str
    params_type: str
    params: Mapping[str, Field]
    arguments: tuple[Argument, ...]
    share: Share | None = None


@dataclass(frozen=True)
class Kernel:
    """A kernel's files below runtime/: its C source and the headers it needs beside the common ones.

    `reads_flash`: it reads its constants through TINYOPS_FLASH, so that on AVR they take no RAM.
    """

    source: str
    headers: tuple[str, ...]
    reads_flash: bool = False


@dataclass(frozen=True)
class Lowered:
    """An operator's calls. No calls: what it gives lies in its inputs, or its inputs in what it gives."""

    calls: tuple[Call, ...]
    kernel: Kernel | None
    macs: int = 0
    more_kernels: tuple[Kernel, ...] = ()  # of calls that the planner added

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return (*((self.kernel,) if self.kernel else ()), *self.more_kernels)

    @property
    def scratch_bytes(self) -> int:
        """The most scratch that one of its calls needs."""
        return max((a.end for call in self.calls for a in call.arguments if isinstance(a, Scratch)), default=0)

    @property
    def main(self) -> Call | None:
        """The only call that touches tensors, where there is one such: others then make ready what it reads."""
        touching = [call for call in self.calls if any(isinstance(a, Tensors) for a in call.arguments)]
        return touching[0] if len(touching) == 1 else None

    @property
    def constants(self) -> tuple[Constant, ...]:
        return tuple(a for call in self.calls for a in call.arguments if isinstance(a, Constant))
