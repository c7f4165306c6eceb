"""The C side of the protocol: numbers and payload layouts as a header."""

from __future__ import annotations

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
