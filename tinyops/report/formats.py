"""The page of formats' fields: signed documents from their models, frames from the link's one definition. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from tinyops.link.protocol import DATA_MAX, ENCODED_MAX, REPLIES, REPLY, REQUESTS, STATUS_TEXT, Layout, Type
from tinyops.manifest.document import Manifest
from tinyops.manifest.entry import Entry
from tinyops.manifest.report import DeviceReport
from tinyops.report.fields import cell, reachable, section

REPORTS_FROM = 0x40  # types from here on are sent unasked
_DOCUMENTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Manifest", Manifest),
    ("Entry", Entry),
    ("DeviceReport", DeviceReport),
)


def formats_page(written: str) -> str:
    """Fields of the signed documents and of the frames between a board and its host."""
    lines = [
        "# Fields of formats",
        "",
        written,
        "",
        "What they are for: [formats](../formats.md). Documents are the `signed` part of an envelope; numbers in",
        "frames are little-endian.",
        "",
    ]
    seen: set[str] = set()
    for name, model in _DOCUMENTS:
        schema = model.model_json_schema(by_alias=True)
        definitions = {**schema.get("$defs", {}), name: schema}
        lines += [f"## {name}", ""]
        for part in reachable(name, definitions):
            if part not in seen:
                lines += section(part if part != name else f"{name}: the document", definitions[part])
                seen.add(part)
    return "\n".join([*lines, *_link()]).rstrip() + "\n"


def _link() -> Iterator[str]:
    yield from ("## Link frames", "")
    yield f"At most {DATA_MAX} bytes of data in a frame, {ENCODED_MAX} bytes on the line between the zeros."
    yield f"An answer's type is the request's with bit {REPLY:#x} set; types from {REPORTS_FROM:#x} are sent unasked."
    yield ""
    yield from ("| type | number | request | answer, or report |", "|---|---|---|---|")
    for kind in Type:
        request = _payload(REQUESTS[kind]) if kind in REQUESTS else "-"
        yield f"| {kind.name} | {int(kind):#04x} | {cell(request)} | {cell(_payload(REPLIES[kind]))} |"
    yield from ("", "| status | why |", "|---|---|")
    yield from (f"| {int(status)} {status.name} | {text} |" for status, text in STATUS_TEXT.items())


def _payload(layout: Layout) -> str:
    parts = [f"`{field.name}` ({_size(field.size)}): {field.doc}" for field in layout.fields]
    if layout.tail_max:
        parts.append(f"then {layout.tail_doc}")
    return "; ".join(parts) or "empty"


def _size(count: int) -> str:
    return f"{8 * count} bits" if count <= 4 else f"{count} bytes"
