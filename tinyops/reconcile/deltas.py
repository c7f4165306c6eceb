"""Deltas of a release: from the image that a device runs after the last release to the one that this release has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tinyops.artifacts import Artifact
from tinyops.errors import RemoteError, ToolError
from tinyops.files import MIB, read_bounded
from tinyops.images.delta import make_delta
from tinyops.images.delta.definition import WORTH_IT
from tinyops.manifest.document import SlotImage
from tinyops.reconcile.signed import MadeDelta, Signed
from tinyops.store import Store

SUFFIX = ".delta"
IMAGE_LIMIT_BYTES = 17 * MIB
# What runs while a slot is written: a firmware is linked for the other one.
RUNS = {"model": "model", "firmware_a": "firmware_b", "firmware_b": "firmware_a"}


def with_deltas(
    images: Mapping[str, Signed], before: Mapping[str, SlotImage], store: Store, find: Callable[[Artifact], Path]
) -> dict[str, Signed]:
    """The signed images of a board, each with the deltas that are worth their place; `before` are those of the last
    release. An image that did not change keeps those that it had: devices may still run what was before it.
    """
    return {slot: replace(image, deltas=_deltas(slot, image, before, store, find)) for slot, image in images.items()}


def _deltas(
    slot: str, image: Signed, before: Mapping[str, SlotImage], store: Store, find: Callable[[Artifact], Path]
) -> tuple[MadeDelta, ...]:
    old, base = before.get(slot), before.get(RUNS.get(slot, ""))
    if old is not None and old.digest == image.artifact.digest:
        return tuple(MadeDelta(Artifact(one.digest, one.bytes), one.base) for one in old.deltas)
    if base is None or image.image in (base.image, old.image if old else None):
        return ()
    try:
        path = find(Artifact(base.digest, base.bytes))
    except (RemoteError, ToolError):
        return ()  # no reason not to release
    whole = read_bounded(find(image.artifact), IMAGE_LIMIT_BYTES)
    delta = make_delta(read_bounded(path, IMAGE_LIMIT_BYTES), whole, where=slot)
    if len(delta) > WORTH_IT * len(whole):
        return ()
    with store.scratch("delta") as folder:
        made = folder / f"{slot}{SUFFIX}"
        made.write_bytes(delta)
        return (MadeDelta(store.add(made), base.image),)
