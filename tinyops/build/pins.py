"""Refusing to build under a lock of another tinyops: its keys would name what was not used."""

from __future__ import annotations

import functools

from tinyops.artifacts import Step
from tinyops.errors import ToolError
from tinyops.specs.lock import TinyopsPins
from tinyops.specs.locking import own_pins


def check_tinyops(step: Step) -> None:
    """Raises ToolError when a step is locked to other sources of the compiler or of the firmware than these."""
    own = _own_pins()
    for part, wanted, found in (
        ("compiler", step.lock.get("tinyops"), own.compiler),
        ("firmware", step.lock.get("firmware"), own.firmware),
    ):
        if wanted not in (None, found):
            raise ToolError(
                f"the lock wants the {part} sources of another version of tinyops: {wanted[:19]}…, "
                f"these are {found[:19]}…",
                hint="install the locked tinyops, or run `tinyops lock` and have the new version reviewed",
            )


@functools.cache
def _own_pins() -> TinyopsPins:
    return own_pins()
