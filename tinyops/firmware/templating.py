"""Rendering the templates of firmware: C and INI, where text from outside can end neither a line nor a comment."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> bytes:
    """A template below templates/. A suffix .html.j2 escapes its values; all others take them as they are."""
    text: str = _environment().get_template(template).render(**values)
    return text.encode()


def comment(text: str) -> str:
    """Text that can end neither a line nor a comment."""
    return re.sub(r"\*+/|/\*+", "-", " ".join(text.split()))


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html.j2"], default=False),  # C is not HTML; its text goes through comment
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
