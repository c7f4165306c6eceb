"""The kinds of data sources, one file each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.collect.files_source import read_files
from tinyops.collect.kind import Reading, SourceKind
from tinyops.collect.recordings_source import read_recordings
from tinyops.collect.wheel_source import read_wheel
from tinyops.datasets.recording import RawRecording
from tinyops.specs.model import FilesSource, RecordingsSource, WheelSource

SOURCE_KINDS: Mapping[str, SourceKind] = {
    "files": read_files,
    "recordings": read_recordings,
    "wheel": read_wheel,
}


def read_source(source: WheelSource | FilesSource | RecordingsSource, reading: Reading) -> Iterator[RawRecording]:
    """The recordings of one source of a dataset's spec."""
    return SOURCE_KINDS[source.kind](source, reading)
