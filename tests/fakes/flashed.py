"""A virtual board whose flash holds what a test says, instead of what a cable would have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyops.twin.machine import Boot


@dataclass(frozen=True)
class Flashed(Boot):
    """`content` is bytes by address; whether a bootloader is among them, `files` must say by its name."""

    content: Mapping[int, bytes] = field(default_factory=dict)

    def flash_content(self) -> dict[int, bytes]:
        return dict(self.content)
