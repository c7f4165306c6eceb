"""Prices of a plan: the last release, what was built, lists of devices and measured boards brought together."""

from __future__ import annotations

from collections import Counter

from tinyops.build.measurements import FOLDER, Clock
from tinyops.device.provision.devices_file import DevicesFile, parse_devices
from tinyops.documents import shown_path
from tinyops.files import MIB, read_bounded
from tinyops.manifest.document import Manifest
from tinyops.plan import Action, Plan
from tinyops.plan.prices import Costs, Price, prices
from tinyops.reconcile.judging import Judgement
from tinyops.reconcile.world import World
from tinyops.specs.loader import Loaded
from tinyops.specs.model import Fleet

DEVICES_LIMIT_BYTES = 64 * MIB


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
            fleets={n: (f.spec.model_subject, tuple(f.spec.boards)) for n, f in world.fleets.items()},
            before=world.manifest,
            after=built,
            devices={name: count for name, entry in listed.items() if (count := _count(world, entry)) is not None},
            missed=missed,
            milliseconds=Clock(world.root / FOLDER),
        ),
    )


def devices_of(world: World, entry: Loaded[Fleet]) -> DevicesFile | None:
    """The list of a fleet's devices; None where it has none. Raises SpecError with what is wrong in it."""
    file = entry.document.spec.devices.file
    if file is None:
        return None
    path = world.repository.resolve(entry, file)
    return parse_devices(read_bounded(path, DEVICES_LIMIT_BYTES).decode(errors="replace"), where=shown_path(path))


def _count(world: World, entry: Loaded[Fleet]) -> Counter[str] | None:
    """Devices that count, by board."""
    listed = devices_of(world, entry)
    if listed is None:
        return None
    return Counter(device.board for device in listed.devices.values() if not device.revoked)
