"""The C side of the protocol: numbers and payload layouts as a header."""

from __future__ import annotations

from tinyops.link.parts import (
    NO_PART,
    PART_LAYOUTS,
    PARTS_VERSION,
    PIECES_MAX,
    RANGES_MAX,
    SET_BYTES,
    STATE_TEXT,
    PartState,
    PartType,
)
from tinyops.link.protocol import (
    BOARD_NAME_MAX,
    CRC_START,
    DATA_MAX,
    FRAME_MAX,
    LINK_VERSION,
    PAYLOAD_MAX,
    REPLIES,
    REPLY,
    REQUESTS,
    STATUS_TEXT,
    Layout,
    Status,
    Tensor,
    Type,
)


def c_header() -> str:
    """The text of runtime/include/tinyops/link.h: numbers, types, statuses and where each field lies."""
    lines = [
        "/* The frame protocol between a board and its host, version 1: numbers and payload layouts.",
        " *",
        " * Written by tinyops/link, which is its definition and says how frames travel; never edited by",
        " * hand. NAME_AT is the offset of a field in its payload in bytes, little-endian, without gaps;",
        " * NAME_SIZE is the length of a payload's fixed fields. */",
        "#ifndef TINYOPS_LINK_H",
        "#define TINYOPS_LINK_H",
        "",
    ]
    for name, value in _limits().items():
        lines.append(f"#define TINYOPS_LINK_{name} {value}")
    lines += ["", "/* Frame types. */"]
    lines += [f"#define TINYOPS_LINK_{t.name} 0x{t.value:02x}u" for t in Type]
    lines += ["", "/* Why a request cannot be done, beyond the statuses of model.h. */"]
    for status in Status:
        if status <= Status.ABSENT:
            lines += [f"/* {STATUS_TEXT[status]} */", f"#define TINYOPS_LINK_ERR_{status.name} ({status.value})"]
    for what, table in (("REQUEST", REQUESTS), ("REPLY", REPLIES)):
        for kind, layout in table.items():
            lines += _c_layout(f"TINYOPS_LINK_{kind.name}_{what}", layout)
    return "\n".join([*lines, "", "#endif", ""])


def part_header() -> str:
    """The text of runtime/include/tinyops/part_link.h: the frames between parts of a chain."""
    limits = {"VERSION": PARTS_VERSION, "PIECES_MAX": PIECES_MAX, "RANGES_MAX": RANGES_MAX, "SET_BYTES": SET_BYTES}
    lines = [
        "/* The frames between parts of a chain, version 1: numbers and payload layouts.",
        " *",
        " * Written by tinyops/link, whose parts.py is their definition; never edited by hand. Names are",
        " * made as in link.h. */",
        "#ifndef TINYOPS_PART_LINK_H",
        "#define TINYOPS_PART_LINK_H",
        "",
        *(f"#define TINYOPS_PART_{name} {value}u" for name, value in limits.items()),
        f"#define TINYOPS_PART_NONE {NO_PART}u",
        "",
        "/* Frame types. */",
        *(f"#define TINYOPS_LINK_PART_{kind.name} 0x{kind.value:02x}u" for kind in PartType),
        "",
        "/* How far a part can be counted on: it ... */",
    ]
    for state in PartState:
        lines += [f"/* {STATE_TEXT[state]} */", f"#define TINYOPS_PART_{state.name} {state.value}u"]
    for kind, layout in PART_LAYOUTS.items():
        lines += _c_layout(f"TINYOPS_LINK_PART_{kind.name}", layout)
    return "\n".join([*lines, "", "#endif", ""])


def _limits() -> dict[str, str]:
    return {
        "VERSION": f"{LINK_VERSION}u",
        "DATA_MAX": f"{DATA_MAX}u",
        "PAYLOAD_MAX": f"{PAYLOAD_MAX}u",
        "FRAME_MAX": f"{FRAME_MAX}u",
        "BOARD_NAME_MAX": f"{BOARD_NAME_MAX}u",
        "CRC_START": f"0x{CRC_START:04x}u",
        "ANSWER": f"0x{REPLY:02x}u",
        "TENSOR_INPUT": f"{int(Tensor.INPUT)}u",
        "TENSOR_OUTPUT": f"{int(Tensor.OUTPUT)}u",
    }


def _c_layout(prefix: str, layout: Layout) -> list[str]:
    if not layout.fields and not layout.tail_max:
        return []
    lines, offset = [""], 0
    for field in layout.fields:
        lines += [f"/* {field.doc} */", f"#define {prefix}_{field.name.upper()}_AT {offset}u"]
        offset += field.size
    if layout.tail_max:
        lines.append(f"/* then {layout.tail_doc} */")
    return [*lines, f"#define {prefix}_SIZE {offset}u"]
