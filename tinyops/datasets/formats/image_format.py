"""Formats `png`, `jpg` and `bmp`: one image a file, read with Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyops.datasets.recording import STRICT, Labelled, Leniency
from tinyops.errors import SpecError, ToolError
from tinyops.specs.model import Signal

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS_LIMIT = 64_000_000  # said by the header, before anything is unpacked
MODES = {1: "L", 3: "RGB"}
DEEP_GREY = ("I;16", "I;16B", "I;16L", "I")  # 16 bits a pixel


def read_png(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    yield _read(data, "PNG", signal, where, leniency)


def read_jpeg(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    yield _read(data, "JPEG", signal, where, leniency)


def read_bmp(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    yield _read(data, "BMP", signal, where, leniency)


def _read(data: bytes, kind: str, signal: Signal, where: str, leniency: Leniency) -> Labelled:
    """One image [1, height x width x channels]: black is 0, white is full_scale."""
    mode = MODES.get(len(signal.channels))
    if signal.size is None or mode is None:
        wanted = f"{len(signal.channels)} channels" if signal.size else "a stream"
        raise SpecError(f"{where}: an image, and the dataset's signal is {wanted}", hint="images have 1 or 3 channels")
    try:
        with _opened(data, kind, where) as image:
            pixels = _pixels(image, mode, signal.size, where, leniency)
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError, MemoryError) as error:
        raise SpecError(f"{where}: a damaged image: {str(error)[:200]}", hint="bring the whole file") from error
    scale = np.array(signal.full_scale)
    return Labelled("", (pixels.reshape(-1, len(scale)) * scale).reshape(1, signal.frame_values), 1)


def _opened(data: bytes, kind: str, where: str) -> Image:
    try:
        import PIL.Image
    except ImportError:
        raise ToolError(f"{where}: images need Pillow", hint="pip install 'tinyops[data]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)  # the limit below is lower
            image = PIL.Image.open(io.BytesIO(data), formats=[kind])
    except PIL.UnidentifiedImageError:
        raise SpecError(f"{where}: not a {kind} image", hint="the ending of a file names its format") from None
    except PIL.Image.DecompressionBombError as error:
        raise SpecError(f"{where}: {str(error)[:200]}") from error
    width, height = image.size
    if width * height > PIXELS_LIMIT:
        raise SpecError(f"{where}: {width} x {height} pixels are more than {PIXELS_LIMIT:,}")
    if getattr(image, "n_frames", 1) > 1:
        raise SpecError(f"{where}: holds several images", hint="save each as a file of its own")
    return image


def _pixels(image: Image, mode: str, size: tuple[int, int], where: str, leniency: Leniency) -> Any:
    """The pixels from 0 to 1, upright, in the signal's channels and size."""
    import PIL.Image
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    _refuse_transparent(upright, where)
    (height, width), found = size, (upright.height, upright.width)
    if found != size and "size" not in leniency.adapt:
        raise SpecError(
            f"{where}: {found[0]} x {found[1]} pixels (height x width), the dataset's signal has {height} x {width}",
            hint="`adapt: [size]` of the dataset's source scales images",
        )
    if upright.mode in DEEP_GREY:
        deep = PIL.Image.fromarray(np.asarray(upright).astype(np.float32) / 65535)
        scaled = deep if found == size else deep.resize((width, height), PIL.Image.Resampling.BILINEAR)
        return np.repeat(np.asarray(scaled, np.float64)[..., None], len(mode), axis=2)
    plain = upright.convert(mode)
    scaled = plain if found == size else plain.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.asarray(scaled, np.float64) / 255


def _refuse_transparent(image: Image, where: str) -> None:
    """What lies below a transparent pixel is nobody's intent."""
    if not image.has_transparency_data:
        return
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    if lowest != 255:
        raise SpecError(f"{where}: has transparent pixels", hint="save it without an alpha channel")
