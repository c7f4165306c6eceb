"""Depth: fewer of the layers that repeat a shape, from the start."""

from __future__ import annotations

from typing import Any

from tinyops.files import JsonObject
from tinyops.specs.rewriting import shallower
from tinyops.train.techniques.technique import Idle


class Depth(Idle):
    field = "depth"

    def rewrite(self, architecture: JsonObject, wanted: Any, /) -> JsonObject:
        return shallower(architecture, float(wanted))
