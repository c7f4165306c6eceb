"""Work prepared for devices that sleep: what they will need lies here when they wake."""

from __future__ import annotations

from collections.abc import Iterable

from tinyops.device.gateway.choice import FIRMWARE, MODEL
from tinyops.device.gateway.status import Runs
from tinyops.device.gateway.ward import Ward
from tinyops.device.offers import wanted
from tinyops.manifest.entry import Entry, EntryImage
from tinyops.manifest.progress import position


def prefetch(addresses: Iterable[str], ward: Ward) -> None:
    """Fetches what devices that answered at these addresses before will take. Raises RemoteError, ToolError."""
    places = ward.journal.places()
    for address in addresses:
        known = ward.devices.get(places[address][0]) if address in places else None
        if known is None:
            continue
        standing = ward.standings.of(known.fleet, known.board)
        if standing.offered is None or standing.expired:
            continue
        runs = Runs.from_text(known.running)
        at = position(known.fleet, ward.unit(known.device))
        entry = wanted(standing.offered, at, ward.standings.model_of(runs.model))
        for image in _missing(entry, runs):
            ward.content.offer(image)


def _missing(entry: Entry | None, runs: Runs) -> tuple[EntryImage, ...]:
    """Firmware for both slots, where it is another: which one is spare is known when the device wakes."""
    if entry is None:
        return ()
    model = [entry.images[MODEL]] if MODEL in entry.images and entry.images[MODEL].image != runs.model else []
    firmware = [entry.images[name] for name in FIRMWARE if name in entry.images]
    return (*model, *(() if runs.firmware in {image.image for image in firmware} else firmware))
