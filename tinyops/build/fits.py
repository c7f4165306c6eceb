"""Which boards of the catalogue would hold what one of them cannot."""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.artifacts import Record, Step
from tinyops.boards.model import Board
from tinyops.errors import DoesNotFit, TinyopsError
from tinyops.firmware.slots import firmware_room
from tinyops.images import Kind, body_max


def with_boards(
    step: Step, error: TinyopsError, records: Mapping[str, Record], catalog: Mapping[str, Board]
) -> TinyopsError:
    """The error of a step; that of a model too large for its board with the boards that would hold it.

    An image step's error knows the image, and the record of its compile step the arena.
    """
    if not isinstance(error, DoesNotFit) or not any((error.image_bytes, error.arena_bytes, error.firmware_bytes)):
        return error
    arena_bytes = error.arena_bytes
    if arena_bytes is None and (compiled := records.get(f"compile:{step.subject}")) is not None:
        arena_bytes = compiled.facts.get("arena_bytes")
    board = step.settings.get("board")
    others = {name: other for name, other in catalog.items() if name != board}
    alone = error.firmware_bytes if board in catalog and catalog[str(board)].spec.model_form != "linked" else 0
    found = boards_that_hold(others, error.image_bytes or 0, arena_bytes or 0, alone or 0)
    said = f"the catalogue has boards that would hold it: {', '.join(found)}" if found else _NONE
    return DoesNotFit(
        error.message,
        hint=f"{error.hint}\n  {said}",
        image_bytes=error.image_bytes,
        arena_bytes=arena_bytes,
        firmware_bytes=error.firmware_bytes,
    )


_NONE = "no board of the catalogue would hold it"


def boards_that_hold(
    catalog: Mapping[str, Board], image_bytes: int, arena_bytes: int, firmware_bytes: int = 0
) -> tuple[str, ...]:
    """Names of the boards whose slots and arena are large enough; without a layout nothing limits them.

    `firmware_bytes` are those of a firmware into which no model is linked.
    """
    return tuple(name for name in sorted(catalog) if _holds(catalog[name], image_bytes, arena_bytes, firmware_bytes))


def _holds(board: Board, image_bytes: int, arena_bytes: int, firmware_bytes: int) -> bool:
    layout = board.spec.layout
    if layout is None:
        return True
    room, firmware = model_room(board), firmware_room(board.name, board.spec, layout.firmware)
    fits = arena_bytes <= layout.arena_bytes and firmware_bytes <= firmware.bytes
    return fits and (room is None or image_bytes <= room)


def model_room(board: Board) -> int | None:
    """Bytes that a compiled model may have; in slots that images are signed for, less than the slot. None: no limit."""
    layout = board.spec.layout
    if layout is None:
        return None
    if not layout.model:  # it is linked into the firmware
        return firmware_room(board.name, board.spec, layout.firmware).bytes
    slot_bytes = min(slot.bytes for slot in layout.model)
    return body_max(Kind.MODEL, board.name, slot_bytes) if layout.state else slot_bytes
