"""A board's memories, and who owns which of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from tinyops.documents import Misplaced, Name, Strict

Address: TypeAlias = Annotated[NonNegativeInt, Field(le=2**32, description="In bytes; may be written as 0x….")]


def _one_message(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        raise ValueError(f"must be never, or a whole number above 0: {value!r}") from error


Times: TypeAlias = Annotated[Literal["never"] | PositiveInt, WrapValidator(_one_message)]


class Region(Strict):
    """A range of addresses, in bytes."""

    origin: Address
    bytes: PositiveInt = Field(description="Length.")

    @property
    def end(self) -> int:
        return self.origin + self.bytes


class Flash(Region):
    """Flash of one geometry; a chip with sectors of several sizes has several."""

    name: Name = Field(default="flash", description="Unique on the board.")
    erase_bytes: PositiveInt = Field(description="Smallest unit that is erased (sector).")
    program_bytes: PositiveInt = Field(description="Smallest unit that is programmed.")
    reprogram: Times = Field(
        description="How often a unit may be programmed between two erases; never: a second time breaks it."
    )
    during_write: Literal["stall", "run-from-ram", "dual-bank"] = Field(
        description="What the core does meanwhile: waits, must run from RAM, or goes on from the other bank."
    )
    erase_ms: PositiveFloat = Field(description="For one sector, typical.")


class Memory(Strict):
    flash: tuple[Flash, ...] = Field(min_length=1, max_length=16, description="In order of address.")
    ram: Region = Field(description="Where data, stack and arena lie.")

    @property
    def flash_bytes(self) -> int:
        return sum(flash.bytes for flash in self.flash)


class Layout(Strict):
    """Who owns which flash; `firmware` has one slot or two, `model` up to two. `arena_bytes` is RAM."""

    bootloader: Region | None = Field(default=None, description="The maker's own: never written by tinyops.")
    own_bootloader: Region | None = Field(
        default=None, description="Ours, written by a cable and never in the field: it starts one of two firmwares."
    )
    firmware: tuple[Region, ...] = Field(min_length=1, max_length=2, description="One slot, or two.")
    model: tuple[Region, ...] = Field(
        max_length=2,
        description="Two: an update never overwrites what runs. None: the model is linked into the firmware.",
    )
    settings: Region | None = Field(default=None, description="Who the device is, whom it trusts: in two copies.")
    state: Region | None = Field(
        default=None, description="Which slot runs, what is on trial, security counters: a log in two halves."
    )
    arena_bytes: PositiveInt = Field(description="RAM for activations: the most that a model may need.")
    stack_bytes: PositiveInt = Field(description="RAM for the stack; the twin measures what is used.")

    @property
    def cable_origin(self) -> int:
        """Where what a cable writes begins: with what starts the firmware, where that is ours."""
        return self.firmware[0].origin if self.own_bootloader is None else self.own_bootloader.origin

    def named(self) -> list[tuple[str, Region]]:
        """Every flash region with its name, in order of address."""
        found: list[tuple[str, Region]] = []
        for name in ("bootloader", "own_bootloader", "settings", "state"):
            region = getattr(self, name)
            if region is not None:
                found.append((name, region))
        for name in ("firmware", "model"):
            slots = getattr(self, name)
            found += [(f"{name} {i}" if len(slots) > 1 else name, r) for i, r in enumerate(slots)]
        return sorted(found, key=lambda item: item[1].origin)

    def without_bootloader(self) -> Layout:
        """For a firmware that is built to lie where our bootloader would: from there on to the end of the slots."""
        if self.own_bootloader is None:
            return self
        start, end = self.own_bootloader.origin, max(slot.end for slot in self.firmware)
        one = Region(origin=start, bytes=end - start)
        return self.model_copy(update={"own_bootloader": None, "firmware": (one,)})


def check_layout(memory: Memory, layout: Layout, *, own_spaces: bool) -> None:
    """Slots lie in flash, on sectors, and apart. Raises Misplaced.

    With `own_spaces` flash and RAM are numbered each from 0, as in a Harvard architecture.
    """
    _check_flash(memory)
    if not own_spaces:
        _check_apart(memory)
    previous: tuple[str, Region] | None = None
    for name, region in layout.named():
        loc: tuple[str | int, ...] = ("layout", name.split()[0])
        if region.bytes > memory.flash_bytes:
            raise Misplaced(loc, f"slot {name} of {region.bytes:,} bytes is larger than flash: {memory.flash_bytes:,}")
        flash = list(_flash_under(memory, region))
        if sum(min(f.end, region.end) - max(f.origin, region.origin) for f in flash) != region.bytes:
            raise Misplaced(loc, f"slot {name} lies outside flash ({region.origin:#x} to {region.end:#x})")
        first, last = flash[0], flash[-1]
        if (region.origin - first.origin) % first.erase_bytes or (region.end - last.origin) % last.erase_bytes:
            raise Misplaced(loc, f"slot {name} does not start and end on a sector of {last.erase_bytes} bytes")
        if previous and region.origin < previous[1].end:
            raise Misplaced(loc, f"slots {previous[0]} and {name} overlap at {region.origin:#x}")
        previous = (name, region)
    _check_update(memory, layout)
    if layout.arena_bytes + layout.stack_bytes > memory.ram.bytes:
        raise Misplaced(("layout", "arena_bytes"), "arena and stack together are larger than RAM")


def _check_update(memory: Memory, layout: Layout) -> None:
    """What our bootloader relies on."""
    own, state = layout.own_bootloader, layout.state
    for name in ("firmware", "model"):
        sizes = {slot.bytes for slot in getattr(layout, name)} if own is not None else set()
        if len(sizes) > 1:
            raise Misplaced(("layout", name), "slots of one image are equally large: what fits one fits the other")
    if own is not None and (len(layout.firmware) != 2 or layout.settings is None or state is None):
        raise Misplaced(("layout", "own_bootloader"), "needs two slots for firmware, settings and state")
    for name, region in (("settings", layout.settings), ("state", state)) if state is not None else ():
        flash = next(_flash_under(memory, region)) if region is not None else None
        if region is not None and flash is not None and region.bytes % (2 * flash.erase_bytes):
            raise Misplaced(("layout", name), f"{name} is not two halves of whole sectors of {flash.erase_bytes} bytes")


def _check_flash(memory: Memory) -> None:
    for number, flash in enumerate(memory.flash):
        loc = ("memory", "flash", number)
        if flash.erase_bytes % flash.program_bytes:
            raise Misplaced((*loc, "program_bytes"), "a sector is no whole number of program units")
        if flash.bytes % flash.erase_bytes:
            raise Misplaced((*loc, "bytes"), "flash is no whole number of sectors")
        if flash.name in [other.name for other in memory.flash[:number]]:
            raise Misplaced((*loc, "name"), f"flash {flash.name!r} stands twice")
    for number, (before, after) in enumerate(pairwise(memory.flash), 1):
        if after.origin < before.end:
            raise Misplaced(("memory", "flash", number, "origin"), f"flash {before.name} and {after.name} overlap")


def _check_apart(memory: Memory) -> None:
    for number, flash in enumerate(memory.flash):
        if _overlap(flash, memory.ram):
            at = max(flash.origin, memory.ram.origin)
            raise Misplaced(("memory", "flash", number, "origin"), f"flash {flash.name} and RAM overlap at {at:#x}")


def _overlap(a: Region, b: Region) -> bool:
    return a.origin < b.end and b.origin < a.end


def _flash_under(memory: Memory, region: Region) -> Iterator[Flash]:
    return (flash for flash in memory.flash if _overlap(flash, region))
