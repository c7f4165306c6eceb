"""Prices of a plan: the last release, what was built, lists of devices and measured boards brought together."""

from __future__ import annotations

from collections import Counter

from tinyops.build.measurements import FOLDER, Clock
from tinyops.manifest.document import Manifest
from tinyops.plan import Action, Plan
from tinyops.plan.prices import Costs, Price, prices
from tinyops.reconcile.device_lists import devices_of
from tinyops.reconcile.judging import Judgement
from tinyops.reconcile.world import World
from tinyops.specs.loader import Loaded
from tinyops.specs.model import Fleet


def priced(
    world: World, plan: Plan, *, built: Manifest | None = None, judged: Judgement | None = None
) -> tuple[Price, ...]:
    """The plan's prices: from the last release alone, or with what was built.

    Raises SpecError for a list of devices that is wrong.
    """
    missed = judged.held if judged else {}
    moving = {
        c.subject for c in plan.changes if c.kind == "fleet" and (c.action is not Action.KEEP or c.subject in missed)
    }
    listed = {name: entry for name, entry in world.repository.fleets.items() if name in moving}
    return prices(
        plan,
        Costs(
            fleets=world.targets,
            before=world.manifest,
            after=built,
            devices={name: count for name, entry in listed.items() if (count := _count(world, entry)) is not None},
            missed=missed,
            milliseconds=Clock(world.root / FOLDER),
        ),
    )


def _count(world: World, entry: Loaded[Fleet]) -> Counter[str] | None:
    """Devices that count, by board."""
    listed = devices_of(world, entry)
    if listed is None:
        return None
    return Counter(device.board for device in listed.devices.values() if not device.revoked)
