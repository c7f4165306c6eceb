"""Images that a person names as files, or as folders of them such as a release's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.update.decide import Delta, Offer
from tinyops.device.update.settings import UpdateFailed
from tinyops.errors import RemoteError, UsageError
from tinyops.files import MIB, read_bounded
from tinyops.images import Image, read_image
from tinyops.images.delta.definition import HEADER, MAGIC
from tinyops.link.smp import BoardInfo

IMAGE_LIMIT_BYTES = 17 * MIB
FOLDER_MAX = 1000
SUFFIX, DELTA_SUFFIX = ".img", ".delta"


class Files:
    """A file is meant for every device, whatever it is of; of a folder a device takes what is made for its board."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises UsageError for what is not there or stands twice, RemoteError for what is no image of ours."""
        folders = [path for path in paths if path.is_dir()]
        self._named = [_read(path) for path in paths if path not in folders]
        self._found = [_read(path) for folder in folders for path in _images_in(folder)]
        self._folders = ", ".join(map(str, folders))
        if len({offer.image.digest for offer in self._named}) != len(self._named):
            raise UsageError("two of the images are the same")

    def offers(self, info: BoardInfo) -> Sequence[Offer]:
        """Raises UpdateFailed for a device that no folder has anything for."""
        found = {offer.image.digest: offer for offer in self._found if offer.image.board == info.board}
        if self._folders and not found and not self._named:
            raise UpdateFailed(f"{self._folders}: no image is made for board {info.board}")
        return (*self._named, *found.values())


def _images_in(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if not found or len(found) > FOLDER_MAX:
        raise UsageError(f"{folder}: holds {len(found):,} files {SUFFIX}", hint="name a release's folder, or its files")
    return found


def _deltas_of(path: Path, image: Image) -> tuple[Delta, ...]:
    """The delta that a release has beside an image, by its name."""
    beside = path.with_suffix(DELTA_SUFFIX)
    if not beside.is_file():
        return ()
    data = read_bounded(beside, IMAGE_LIMIT_BYTES)
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise RemoteError(f"{beside}: is no delta", hint=f"take that of the release, or {path.name} alone")
    _, _, _, base = HEADER.unpack_from(data)
    return (Delta(base, len(data), str(beside), lambda: data),) if base != image.digest else ()


def _read(path: Path) -> Offer:
    if not path.is_file():
        raise UsageError(f"{path}: no such file", hint=f"name a {SUFFIX} of a release, or the release's folder")
    data = read_bounded(path, IMAGE_LIMIT_BYTES)
    image = read_image(data, where=str(path))
    return Offer(image, data, str(path), _deltas_of(path, image))
