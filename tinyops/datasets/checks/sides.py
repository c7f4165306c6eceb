"""Whether the split that the spec asks for can be made of what there is."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, number_of, places
from tinyops.datasets.split import choose_test
from tinyops.errors import SpecError


def check_split(data: Evidence) -> Iterator[Found]:
    """An error always: there would be nothing to train or to test with."""
    by = data.spec.split.by
    nobody = [row for row, piece in zip(data.labelled, data.pieces, strict=True) if not piece.group]
    if by == "subject" and nobody:
        message = f"{number_of(len(nobody))} without a subject, and split.by is subject"
        yield Found(message, places(nobody), "write their subject into the index, or split by take", always=True)
    elif data.complete and data.labelled:
        try:
            choose_test(data.pieces, data.spec.split, data.spec.test_only)
        except SpecError as error:
            yield Found(error.message.removeprefix("split: "), hint=error.hint, always=True)
