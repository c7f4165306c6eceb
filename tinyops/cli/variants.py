"""The page of variants that plans and releases leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyops.manifest.document import Manifest

PAGE = Path(".tinyops") / "variants.html"


def write_page(root: Path, manifest: Manifest | None) -> list[str]:
    """Writes it where a board has a variant of its own; returns the line that says where it is, or none."""
    from tinyops.files import write_atomic
    from tinyops.report.choices_page import choices_of, choices_page

    chosen = choices_of(manifest.steps) if manifest is not None else []
    if manifest is None or not chosen:
        return []
    write_atomic(root / PAGE, choices_page(f"{manifest.project} {manifest.tag}", chosen).encode())
    return [f"Variants, and why the others lost: {PAGE}"]
