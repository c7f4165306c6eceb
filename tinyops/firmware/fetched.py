"""C sources of others that firmware is built with: fetched as the lock pins them, never copied into the repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinyops.artifacts import Progress
from tinyops.errors import ToolError
from tinyops.fetching import Package, fetch_source, read_source

FOLDER = "src/fetched"
SIGNATURE_PACKAGE, SIGNATURE_FILES = "pymonocypher", ("monocypher.c", "monocypher.h")


def signature_sources(pins: Mapping[str, str], report: Callable[[Progress], None]) -> dict[str, bytes]:
    """The curve of Ed25519, by file name. `pins` are the lock's `sources`.

    Raises ToolError where they have none, RemoteError where it cannot be fetched.
    """
    for title, digest in pins.items():
        name, _, version = title.partition(" ")
        if name == SIGNATURE_PACKAGE:
            return read_source(fetch_source(Package(name, version, digest, "the lock"), report), SIGNATURE_FILES)
    raise ToolError(
        f"the lock pins no {SIGNATURE_PACKAGE}, which checks signatures on devices",
        hint="run `tinyops lock`, review what it writes and commit it",
    )
