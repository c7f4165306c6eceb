"""The device's feature source, compiled for this machine and called through ctypes.

The shared object lies in a folder named by the digest of everything that it is made from, and
appears by rename: many processes may build it at once.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import SpecError, ToolError
from tinyops.features.specification import Features, RawFeatures, parse_features
from tinyops.files import JsonObject, digest_json, digest_tree, writing
from tinyops.process import run
from tinyops.toolchain import installed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
SOURCES = ("features/window.c",)
FLAGS = (
    *("-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-DTINYOPS_SHARED", "-DTINYOPS_FEATURE_LIBRARY"),
    *("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wl,--build-id=none"),
)


class _Channel(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_int32), ("multiplier", ctypes.c_int32), ("shift", ctypes.c_int32))


_PARAMS = ("row_values", "rows", "window_frames", "hop_frames", "channels", "zero_point")


class _Params(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in _PARAMS)


def default_cache() -> Path:
    """Where compiled features lie when the caller names no folder: of this user, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tinyops" / "features"


def build_features(folder: Path | None = None) -> Path:
    """The shared object with the features' C functions, built when it is not there yet.

    Raises ToolError when there is no gcc or it fails.
    """
    compiler = installed("gcc")
    sources = digest_tree(RUNTIME, ("features/*.c", "include/tinyops/features/*.h", "include/tinyops/internal.h"))
    key = digest_json(
        {"sources": sources, "flags": list(FLAGS), "gcc": compiler.version, "machine": os.uname().machine}
    )
    path = (folder or default_cache()) / key.removeprefix("sha256:")[:32] / "features.so"
    if path.exists():
        return path
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=".new."))
    try:
        new = scratch / "features.so"
        sources_here = [RUNTIME / source for source in SOURCES]
        argv: list[str | Path] = [compiler.path, *FLAGS, "-I", RUNTIME / "include", "-o", new, *sources_here]
        run(argv, timeout_s=120, what="gcc (features)")
        with writing(path):
            new.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path


@cache
def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"{path}: cannot be loaded: {error}", hint="remove the file, it is built again") from error


def quantise_frames(
    counts: NDArray[np.int16],
    features: JsonObject | Features,
    scale: float,
    zero_point: int,
    *,
    folder: Path | None = None,
) -> NDArray[np.int8]:
    """int8 input values of int16 counts (N, frame_values), bit for bit as the device computes them.

    `scale` and `zero_point` are the input tensor's. Raises SpecError for features that take no frames and for
    counts of another shape or type; ToolError when the C source cannot be built.
    """
    import numpy as np

    raw = (
        features
        if isinstance(features, RawFeatures)
        else parse_features(features)
        if isinstance(features, dict)
        else features
    )
    if not isinstance(raw, RawFeatures):
        raise SpecError("features: kind tensor takes no frames")
    if counts.ndim != 2 or counts.shape[1] != raw.frame_values or counts.dtype != np.int16:
        raise SpecError(f"counts are {counts.dtype} {counts.shape}, wanted int16 (frames, {raw.frame_values})")
    if not -128 <= zero_point <= 127:
        raise SpecError(f"zero point {zero_point} is outside int8")
    channels = raw.channels(scale)
    table = (_Channel * len(channels))(*(_Channel(c.offset, c.multiplier, c.shift) for c in channels))
    params = _Params(raw.frame_values, raw.window_frames, raw.window_frames, raw.hop_frames, len(channels), zero_point)
    source = np.ascontiguousarray(counts)
    result = np.empty(source.shape, dtype=np.int8)
    _load(build_features(folder)).tinyops_window_quantise(
        ctypes.byref(params),
        table,
        source.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int32(source.shape[0]),
        result.ctypes.data_as(ctypes.c_void_p),
    )
    return result
