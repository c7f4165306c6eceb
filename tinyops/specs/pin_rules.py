"""Rules for fleets whose boards are pinned to a model each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.documents import closest
from tinyops.specs.faults import Fault
from tinyops.specs.model import FleetSpec


def pin_faults(spec: FleetSpec) -> Iterator[Fault]:
    """A digest for each board and for nothing else; the parts of a chain share one model."""
    digests, loc = spec.model.digest, ("spec", "model", "digest")
    if not isinstance(digests, Mapping):
        return
    if spec.chain is not None:
        yield Fault(loc, "the parts of a chain share one model", "name one digest", key=True)
        return
    for name in digests:
        if name not in spec.boards:
            yield Fault((*loc, name), f"the fleet has no board {name!r}", closest(name, spec.boards), key=True)
    if missing := [name for name in spec.boards if name not in digests]:
        hint = "`tinyops promote` and `rollback` write them all; or pin every board to one digest"
        yield Fault(loc, f"pins no model for {', '.join(missing)}", hint, key=True)
