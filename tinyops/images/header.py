"""The C side of the definition: numbers as a header."""

from __future__ import annotations

from tinyops.images import definition as d

_FIELDS = (
    *(("MAGIC", 4), ("LOAD_ADDRESS", 4), ("HEADER_BYTES", 2), ("PROTECTED_BYTES", 2), ("BODY_BYTES", 4)),
    *(("FLAGS", 4), ("MAJOR", 1), ("MINOR", 1), ("REVISION", 2), ("BUILD", 4)),
)


def c_header() -> str:
    """The text of runtime/include/tinyops/image_format.h."""
    lines = [
        "/* An image in a slot, in MCUboot's format: header, body, protected TLVs, TLVs; all numbers are",
        " * little-endian. Written by tinyops/images, which is its definition; never edited by hand. */",
        "#ifndef TINYOPS_IMAGE_FORMAT_H",
        "#define TINYOPS_IMAGE_FORMAT_H",
        "",
        *_define("MAGIC", f"0x{d.MAGIC:08x}u"),
        *_define("FLAG_ROM_FIXED", f"0x{d.ROM_FIXED:x}u", "the only flag: runs at its load address alone"),
        *_define("HEADER_MIN", f"{d.HEADER.size}u"),
        *_define("HEADER_MAX", f"{d.HEADER_MAX}u", "filled up with zeros"),
        *(line for kind, count in d.HEADER_BYTES.items() for line in _define(f"HEADER_{kind.name}", f"{count}u")),
        *_define("AREA_MAX", f"{d.AREA_MAX}u", "of one TLV area, with its head"),
        *_define("BODY_MAX", f"{d.BODY_MAX}u"),
        "",
        "/* Where the header's fields are. */",
    ]
    at = 0
    for name, count in _FIELDS:
        lines += _define(f"AT_{name}", f"{at}u")
        at += count
    lines += [
        "",
        "/* A TLV area: magic and length (u16 each, the length with this head), then TLVs: type and length",
        " * (u16 each), value. */",
        *_define("PROTECTED_MAGIC", f"0x{d.PROTECTED_MAGIC:x}u"),
        *_define("TLV_MAGIC", f"0x{d.TLV_MAGIC:x}u"),
        *_define("AREA_HEAD_BYTES", f"{d.AREA_HEAD.size}u"),
        *_define("TLV_HEAD_BYTES", f"{d.TLV_HEAD.size}u"),
        "",
    ]
    for tlv, text in d.TLV_TEXT.items():
        lines += _define(f"TLV_{tlv.name}", f"0x{tlv.value:02x}u", text)
    lines += [
        "",
        *_define("DIGEST_BYTES", f"{d.DIGEST_BYTES}u"),
        *_define("SIGNATURE_BYTES", f"{d.SIGNATURE_BYTES}u"),
        *_define("KEY_BYTES", f"{d.KEY_BYTES}u"),
        *_define("BOARD_MAX", f"{d.BOARD_MAX}u"),
        "/* Before an Ed25519 key's bytes in what the key hash is over: an initialiser. */",
        "#define TINYOPS_IMAGE_KEY_PREFIX \\",
        "  { " + ", ".join(f"0x{byte:02x}" for byte in d.KEY_PREFIX) + " }",
        *_define("KEY_PREFIX_BYTES", f"{len(d.KEY_PREFIX)}u"),
    ]
    return "\n".join([*lines, "", "#endif", ""])


def _define(name: str, value: str, text: str = "") -> list[str]:
    return [*([f"/* {text} */"] if text else []), f"#define TINYOPS_IMAGE_{name} {value}"]
