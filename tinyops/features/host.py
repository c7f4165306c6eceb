"""The device's feature sources, compiled for this machine and called through ctypes.

Shared objects lie in folders named by the digest of everything that they are made from, and appear by rename: many
processes may build one at once.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import SpecError, ToolError
from tinyops.features.code import front_code, front_of, front_sources
from tinyops.features.reading import parse_features
from tinyops.features.specification import Features, FrameFeatures, RawFeatures, StagedFeatures, TensorFeatures
from tinyops.files import JsonObject, digest_json, digest_tree, writing
from tinyops.process import run
from tinyops.toolchain import installed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
WINDOW_SOURCES = ("features/window.c",)
FLAGS = (
    *("-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-DTINYOPS_SHARED", "-DTINYOPS_FEATURE_LIBRARY"),
    *("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wl,--build-id=none"),
)
_PARAMS = ("row_values", "rows", "window_frames", "hop_frames", "channels", "zero_point")


class _Channel(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_int32), ("multiplier", ctypes.c_int32), ("shift", ctypes.c_int32))


class _Params(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in _PARAMS)


def default_cache() -> Path:
    """Where compiled features lie when the caller names no folder: of this user, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tinyops" / "features"


def build_features(
    folder: Path | None = None, generated: Mapping[str, str] | None = None, sources: Sequence[str] = WINDOW_SOURCES
) -> Path:
    """A shared object of features' C functions, built when it is not there yet.

    `generated` are files by name beside the hand-written `sources`. Raises ToolError when there is no gcc or it fails.
    """
    compiler = installed("gcc")
    written = digest_tree(RUNTIME, ("features/*.c", "include/tinyops/features/*.h", "include/tinyops/internal.h"))
    made_of = {"sources": written, "flags": list(FLAGS), "gcc": compiler.version, "machine": os.uname().machine}
    key = digest_json({**made_of, "names": list(sources), "generated": dict(generated or {})})
    path = (folder or default_cache()) / key.removeprefix("sha256:")[:32] / "features.so"
    if path.exists():
        return path
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=".new."))
    try:
        new = scratch / "features.so"
        for name, text in (generated or {}).items():
            (scratch / name).write_text(text)
        files = [*(scratch / name for name in generated or {} if name.endswith(".c")), *(RUNTIME / s for s in sources)]
        argv: list[str | Path] = [compiler.path, *FLAGS, "-I", RUNTIME / "include", "-o", new, *files]
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


def extract_rows(
    samples: NDArray[np.int16], features: FrameFeatures, *, folder: Path | None = None
) -> NDArray[np.int16]:
    """Rows (R, row_values) of a recording's samples (N, channels), from a cleared state, as the device computes them.

    Of raw features a row is a frame; samples at the end that make no whole row are left out. Raises SpecError for
    samples of another shape or type; ToolError when the C source cannot be built.
    """
    import numpy as np

    if samples.ndim != 2 or samples.dtype != np.int16:
        raise SpecError(f"samples are {samples.dtype} {samples.shape}, wanted int16 (samples, channels)")
    if isinstance(features, RawFeatures):
        whole = samples.size // features.frame_values * features.frame_values
        return samples.reshape(-1)[:whole].reshape(-1, features.frame_values)
    if samples.shape[1] != features.signal_channels:
        raise SpecError(f"samples have {samples.shape[1]} channels, the features {features.signal_channels}")
    library = _load(build_features(folder, front_code(features), front_sources(features)))
    return _rows(library, np.ascontiguousarray(samples), features)


def _rows(library: ctypes.CDLL, samples: NDArray[np.int16], features: StagedFeatures) -> NDArray[np.int16]:
    import numpy as np

    front, last = front_of(features), features.last
    state = np.zeros(front.state_bytes // 4, np.int32)
    scratch = np.zeros(-(-front.scratch_bytes // 4), np.int32)
    start = 2 * front.bins + front.bands
    row = scratch.view(np.int16)[start : start + front.row]
    rows = np.empty((max((len(samples) - last.length) // last.step + 1, 0), front.row), np.int16)
    at, left = ctypes.c_void_p(samples.ctypes.data), ctypes.c_int32(len(samples))
    kept, free = ctypes.c_void_p(state.ctypes.data), ctypes.c_void_p(scratch.ctypes.data)
    library.tinyops_front_init(kept)
    for values in rows:
        done = library.tinyops_front_push(kept, free, ctypes.byref(at), ctypes.byref(left))
        assert done == 1, "a row is due"
        values[:] = row
    return rows


def quantise_rows(
    rows: NDArray[np.int16],
    features: JsonObject | Features,
    scale: float,
    zero_point: int,
    *,
    folder: Path | None = None,
) -> NDArray[np.int8]:
    """int8 input values of int16 rows (N, row_values), bit for bit as the device computes them.

    `scale` and `zero_point` are the input tensor's. Raises SpecError for features that take no frames and for
    rows of another shape or type; ToolError when the C source cannot be built.
    """
    import numpy as np

    given = parse_features(features) if isinstance(features, dict) else features
    if isinstance(given, TensorFeatures):
        raise SpecError("features: kind tensor takes no frames")
    if rows.ndim != 2 or rows.shape[1] != given.row_values or rows.dtype != np.int16:
        raise SpecError(f"counts are {rows.dtype} {rows.shape}, wanted int16 (rows, {given.row_values})")
    if not -128 <= zero_point <= 127:
        raise SpecError(f"zero point {zero_point} is outside int8")
    channels = given.channels(scale)
    table = (_Channel * len(channels))(*(_Channel(c.offset, c.multiplier, c.shift) for c in channels))
    params = _Params(given.row_values, given.rows, given.window_frames, given.hop_frames, len(channels), zero_point)
    source = np.ascontiguousarray(rows)
    result = np.empty(source.shape, dtype=np.int8)
    _load(build_features(folder)).tinyops_window_quantise(
        ctypes.byref(params),
        table,
        source.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int32(source.shape[0]),
        result.ctypes.data_as(ctypes.c_void_p),
    )
    return result
