"""What pages of one file have in common: their templates, and the digest by which a policy allows their own style."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.files import printable

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).resolve().parent / "templates"


def page_environment(clean: Callable[[object], object]) -> Environment:
    """Templates of HTML; `clean` is applied to every value that one prints, before it is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=clean,
    )


def shortened_to(most: int) -> Callable[[object], object]:
    """Text of others without what turns or hides it, and no longer than that; markup and numbers as they are."""

    def clean(value: object) -> object:
        if hasattr(value, "__html__") or isinstance(value, int | float):
            return value
        text = printable(str(value))
        return text if len(text) <= most else f"{text[:most]}…"

    return clean


def read_template(name: str) -> str:
    """A file beside the templates, such as a style."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """The base64 SHA-256 of a style or a script, as a Content-Security-Policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
