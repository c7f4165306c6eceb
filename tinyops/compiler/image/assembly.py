"""The image's header as assembly: entry points and sizes are differences that the linker knows."""

from __future__ import annotations

import struct

from tinyops.compiler.header import ENTRIES, ModelHeader


def header_assembly(header: ModelHeader, extension: bytes = b"") -> str:
    """GNU assembly of `tinyops_model_header` and of what follows it in a part's image. A difference with a Thumb
    function has bit 0 set."""
    words = "".join(
        f"  .word {getattr(header, name)} /* {name} */\n"
        for name in (
            *("arena_bytes", "input_offset", "input_bytes", "output_offset", "output_bytes"),
            *("frame_values", "window_frames", "hop_frames"),
        )
    )
    entries = "".join(f"  .word tinyops_model_{name} - tinyops_image\n" for name in ENTRIES)
    more = "".join(f"  .word 0x{word:08x}\n" for (word,) in struct.iter_unpack("<I", extension))
    contract = ", ".join(f"0x{byte:02x}" for byte in header.contract)
    return (
        "  .syntax unified\n"
        '  .section .tinyops.header, "a", %progbits\n'
        "  .balign 4\n"
        "  .global tinyops_image\n"
        "  .hidden tinyops_image\n"
        "tinyops_image:\n"
        f"  .word 0x{header.magic:08x}\n"
        f"  .hword {header.abi}, {header.header_bytes + len(extension)}\n"
        "  .word tinyops_image_end - tinyops_image\n"
        f"{words}{entries}"
        f"  .byte {contract}\n"
        f"{more}"
    )
