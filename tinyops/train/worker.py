"""The process that trains: the only one that loads TensorFlow."""

from __future__ import annotations

import sys

from tinyops.files import JsonObject
from tinyops.worker import Emit, serve


def work(request: JsonObject, emit: Emit) -> JsonObject:
    from tinyops.train.fit import fit_model  # after standard output is claimed: TensorFlow prints when it loads

    return fit_model(request, emit)


if __name__ == "__main__":
    sys.exit(serve(work))
