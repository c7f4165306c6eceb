"""Rules for the class shares that a fleet expects."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.documents import closest
from tinyops.specs.faults import Fault
from tinyops.specs.model import DatasetSpec, FleetSpec

SUM_TOLERANCE = 0.01


def class_share_faults(fleet: FleetSpec, dataset: DatasetSpec | None) -> Iterator[Fault]:
    """What is wrong with them; `dataset` is None where the model has none that is right."""
    shares = fleet.class_shares
    if shares is None:
        return
    total = sum(shares.values())
    if abs(total - 1) > SUM_TOLERANCE:
        yield Fault(("spec", "class_shares"), f"the shares add up to {total:g}, not to 1", key=True)
    for name in shares if dataset is not None else ():
        if dataset is not None and name not in dataset.classes:
            message = f"{name!r} is no class of the model's dataset"
            yield Fault(("spec", "class_shares", name), message, closest(name, dataset.classes), key=True)
