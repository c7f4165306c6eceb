"""Values at full scale: the sensor felt more than it could say."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, noted, number_of


def check_clipping(data: Evidence) -> Iterator[Found]:
    """By `clipped` of each line that has it."""
    most, values = data.spec.checks.clipping.share_max, data.spec.signal.frame_values
    clipped = [
        (row, share)
        for row in data.labelled
        if row.entry.clipped and row.entry.length and (share := row.entry.clipped / (row.entry.length * values)) > most
    ]
    if clipped:
        message = f"{number_of(len(clipped))} with more than {most:.1%} of the values at full scale"
        shown = noted((row, f"{share:.1%}") for row, share in clipped)
        yield Found(message, shown, "record them with a larger signal.full_scale, or raise checks.clipping.share_max")
