"""The file formats of recordings, one module each: bytes in, labelled values out.

Bytes come from anywhere, so every reader bounds what it unpacks. Packages that are not always installed are imported
when a file needs them.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.datasets.formats.csv_format import gunzip, read_csv, read_csv_gz
from tinyops.datasets.formats.image_format import read_bmp, read_jpeg, read_png
from tinyops.datasets.formats.npy_format import read_npy, read_npz
from tinyops.datasets.formats.parquet_format import read_parquet
from tinyops.datasets.formats.take_format import read_take_file
from tinyops.datasets.formats.ts_format import read_ts
from tinyops.datasets.formats.wav_format import read_wav
from tinyops.datasets.recording import FileFormat
from tinyops.errors import SpecError

FORMATS: Mapping[str, FileFormat] = {
    "bmp": read_bmp,
    "csv": read_csv,
    "csv.gz": read_csv_gz,
    "jpeg": read_jpeg,
    "jpg": read_jpeg,
    "npy": read_npy,
    "npz": read_npz,
    "parquet": read_parquet,
    "png": read_png,
    "take": read_take_file,
    "ts": read_ts,
    "wav": read_wav,
}


def format_named(name: str, where: str) -> FileFormat:
    """The reader of a format. Raises SpecError for one that nothing reads."""
    if name not in FORMATS:
        what = f"{name[:20]!r} is no format that can be read" if name else "has no ending that says what it is"
        raise SpecError(f"{where}: {what}", hint=f"formats: {', '.join(FORMATS)}")
    return FORMATS[name]


__all__ = ["FORMATS", "format_named", "gunzip", "read_csv", "read_npy"]
