"""The signed images that a release offers a device that asks for none: by its own board and fleet."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from tinyops.build.trust import find_trust
from tinyops.device.update.decide import Delta, Offer
from tinyops.errors import RemoteError, UsageError
from tinyops.files import MIB, read_bounded
from tinyops.images import Image, check_signature, read_image
from tinyops.link.smp import BoardInfo
from tinyops.manifest.document import DeltaFile, SlotImage
from tinyops.reconcile.flashable import called, choose_target
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import load_repository

LIMIT_BYTES = 17 * MIB


class Released:
    """One verified release; its images are fetched once, whichever device asks first."""

    def __init__(self, root: Path, fleet: str | None, version: int | None, part: str = "") -> None:
        """Raises UsageError when nothing was released, RemoteError for what cannot be trusted."""
        repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
        store = open_releases(repository)
        release = None if store is None else store.latest() if version is None else store.read(version)
        if store is None or release is None:
            raise UsageError("nothing is released yet", hint="`tinyops apply` makes the first release; or --image FILE")
        self._store, self._manifest, self._fleet = store, release.manifest, fleet
        self._repository, self._part = repository, part
        self._trust = find_trust(root)
        self._lock = threading.Lock()
        self._read: dict[str, Offer] = {}

    def offers(self, info: BoardInfo) -> Sequence[Offer]:
        """Raises UsageError or RemoteError naming what the release lacks."""
        own = info.fleet if info.fleet in self._manifest.fleets else None
        names = called(self._repository, info.board, self._part)
        fleet, target = choose_target(self._manifest, names, info.board, self._fleet or own)
        entry = self._manifest.fleets[fleet].boards[target]
        if not entry.images:
            raise UsageError(
                f"{self._manifest.tag}: fleet {fleet} has no images for the slots of {info.board}",
                hint="this board takes firmware by cable: `tinyops flash`",
            )
        with self._lock:
            return tuple(self._offer(image) for image in entry.images.values())

    def _offer(self, image: SlotImage) -> Offer:
        digest = image.digest
        if digest not in self._read:
            where = f"{self._manifest.tag}/{image.asset}"
            data = read_bounded(self._store.fetch_output(self._manifest, digest), LIMIT_BYTES)
            found = read_image(data, where=where)
            if found.digest.hex() != image.image:
                raise RemoteError(f"{where}: is not the image that the manifest names")
            self._check(found, where)
            self._read[digest] = Offer(found, data, where, tuple(self._delta(delta) for delta in image.deltas))
        return self._read[digest]

    def _delta(self, file: DeltaFile) -> Delta:
        """Fetched when a device runs its base."""

        def read() -> bytes:
            with self._lock:
                return read_bounded(self._store.fetch_output(self._manifest, file.digest), LIMIT_BYTES)

        return Delta(bytes.fromhex(file.base), file.bytes, f"{self._manifest.tag}/{file.asset}", read)

    def _check(self, image: Image, where: str) -> None:
        """Better said now than by the device, after all of it was sent."""
        try:
            check_signature(image, self._trust.keys.values() if self._trust else (), where=where)
        except RemoteError as error:
            hint = "`tinyops apply` signs it anew with a key that is trusted"
            raise RemoteError(error.message, hint=hint) from None
