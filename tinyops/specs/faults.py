"""What rules report: a place in a document and a sentence, before it is known in which line that is."""

from __future__ import annotations

from dataclasses import dataclass

from tinyops.documents.reading import Loc


@dataclass(frozen=True)
class Fault:
    """Something wrong at `loc` of a document; at its key, when `key` is set."""

    loc: Loc
    message: str
    hint: str = ""
    key: bool = False
