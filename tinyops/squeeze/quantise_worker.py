"""The process that calibrates and quantises."""

from __future__ import annotations

import sys

from tinyops.files import JsonObject
from tinyops.worker import Emit, serve


def work(request: JsonObject, emit: Emit) -> JsonObject:
    from tinyops.squeeze.quantise import quantise  # after standard output is claimed

    return quantise(request, emit)


if __name__ == "__main__":
    sys.exit(serve(work))
