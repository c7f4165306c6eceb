"""Images that a person names as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.update.decide import Offer
from tinyops.errors import UsageError
from tinyops.files import MIB, read_bounded
from tinyops.images import read_image

IMAGE_LIMIT_BYTES = 17 * MIB


def offers_in(files: Sequence[Path]) -> tuple[Offer, ...]:
    """Raises UsageError for a file that is not there or stands twice, RemoteError for one that is no image of ours."""
    offers = []
    for path in files:
        if not path.is_file():
            raise UsageError(f"{path}: no such file", hint="name a .img of a release")
        data = read_bounded(path, IMAGE_LIMIT_BYTES)
        offers.append(Offer(read_image(data, where=str(path)), data, str(path)))
    if len({offer.image.digest for offer in offers}) != len(offers):
        raise UsageError("two of the images are the same")
    return tuple(offers)
