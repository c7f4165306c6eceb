"""Width: fewer units and filters in every hidden layer, from the start."""

from __future__ import annotations

from typing import Any

from tinyops.files import JsonObject
from tinyops.specs.rewriting import widened
from tinyops.train.techniques.technique import Idle


class Width(Idle):
    field = "width"

    def rewrite(self, architecture: JsonObject, wanted: Any, /) -> JsonObject:
        return widened(architecture, float(wanted))
