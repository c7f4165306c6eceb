"""Which columns of a table are the signal's channels."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.datasets.recording import Leniency
from tinyops.errors import SpecError
from tinyops.specs.model import Signal

SHOWN = 20


def chosen_columns(header: Sequence[str], signal: Signal, where: str, leniency: Leniency) -> list[int]:
    """The position of each channel's column. Without a mapping a table has the channels and nothing else.

    Raises SpecError with the names on both sides.
    """
    wanted = [leniency.columns.get(channel, channel) for channel in signal.channels]
    missing = [name for name in wanted if list(header).count(name) != 1]
    if missing or (not leniency.columns and len(header) != len(wanted)):
        shown = [name[:40] for name in header[:SHOWN]]
        raise SpecError(
            f"{where}: has the columns {shown}, wanted {wanted}",
            hint=f"`columns: {{{signal.channels[0]}: COLUMN}}` of the dataset's source, or `tinyops data add --columns "
            f"{signal.channels[0]}=COLUMN,…`, says which column is which channel",
        )
    return [list(header).index(name) for name in wanted]
