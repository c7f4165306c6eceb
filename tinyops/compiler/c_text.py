"""C text: templates, names and numbers as C has them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2


@cache
def environment() -> jinja2.Environment:
    folder = Path(__file__).resolve().parent / "templates"
    return jinja2.Environment(  # noqa: S701 - C, not HTML; every name from a file goes through safe
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def safe(text: str) -> str:
    """A name from a file, as it may stand in a C comment: nothing that ends one, continues a line or is not ASCII."""
    cleaned = re.sub(r"[^A-Za-z0-9_./:;,()\[\] -]", "_", text)[:120]
    return re.sub(r"/(?=[*/])|\*(?=/)", "_", cleaned.replace("//", "__")) or "unnamed"


def number(value: float) -> str:
    """A C literal. INT32_MIN has none of its own."""
    if isinstance(value, float):
        return float.hex(value) + "f"
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)
