"""Examples on real data, each a folder of templates: specs, and the index that pins recordings behind a public URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from tinyops.documents import closest
from tinyops.errors import UsageError

# name: what it is about, in the order of the documentation
EXAMPLES = {
    "keywords": "which of ten words is said, by sound; speakers held out",
    "activity": "what a person does, by a watch; people held out",
    "anomaly": "whether a person still walks, learned from walking alone",
}


def example_templates(name: str) -> Mapping[str, str]:
    """The template of each file of an example's repository. Raises UsageError for one that there is not."""
    if name not in EXAMPLES:
        hint = closest(name, EXAMPLES) or f"there are {', '.join(EXAMPLES)}"
        raise UsageError(f"no example {name!r}", hint=hint)
    folder = files("tinyops.scaffold").joinpath("templates", "examples", name)
    return {path.removesuffix(".j2"): f"examples/{name}/{path}" for path in sorted(_below(folder))}


def _below(folder: Traversable, start: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{start}{entry.name}/")
        else:
            yield start + entry.name
