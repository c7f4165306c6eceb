"""Where a release cuts the models of chains, and what became of the figures that cuts were chosen by."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.chains.explanation import ESTIMATED
from tinyops.manifest.document import BoardEntry, Manifest
from tinyops.plan.chains import together

CHOSEN_BY = "cuts are chosen by estimates of flash and time, those above; linked and run"


def cut_lines(manifest: Manifest, fleet: str) -> Iterator[str]:
    """How a fleet's model is cut and what its parts came to; nothing where it is not cut."""
    split = manifest.steps.get(f"split:{fleet}")
    if split is None:
        return
    yield from (str(line) for line in split.facts["explanation"] if line != ESTIMATED)
    entry = manifest.fleets.get(fleet)
    found = [_measured(part, offered) for part, offered in sorted(entry.boards.items())] if entry else []
    if found:
        yield f"{CHOSEN_BY}: {'; '.join(found)}"
    if (ran := manifest.steps.get(f"chain:{fleet}")) is not None:
        yield together(ran.facts)


def _measured(part: str, offered: BoardEntry) -> str:
    """`near: image of 133,152 bytes, 11,267,880 instructions`."""
    figures = offered.figures
    said = [f"image of {figures['image_bytes']:,} bytes"] if figures.get("image_bytes") is not None else []
    said += [f"{figures['instructions']:,} instructions"] if figures.get("instructions") is not None else []
    return f"{part}: {', '.join(said) or 'not counted'}"
