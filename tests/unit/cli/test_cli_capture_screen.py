"""What a person sees of a running take."""

from __future__ import annotations

import numpy as np
import pytest

from tinyops.cli.capture_screen import figures, sparkline
from tinyops.collect.capture.recording import View


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([5.0], "▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([0] * 50 + [9] + [0] * 49, "▁▁▁▁▁█▁▁▁▁"),  # a single knock is seen
    ],
)
def test_bars_show_the_lowest_the_highest_and_what_stands_out(values: list[float], bars: str) -> None:
    assert sparkline(values, columns=10) == bars
    assert sparkline(np.array(values, np.float64), columns=10) == bars


def test_figures_in_one_line() -> None:
    view = View("shake", 1234, 5, 6, 12.0, 3.0, 99.98, np.zeros((0, 3)))
    wanted = "recording shake: 12.0 s, 3.0 s left, 1,234 frames at 99.98 Hz, 5 lost, 6 clipped"
    assert figures(view, "recording") == wanted
    assert figures(View("", 0, 0, 0, 0.0, None, None, np.zeros((0, 3))), "recording").startswith("recording no label")
