"""What a device is sent: the smaller of an image and of a delta from what it runs, in whichever slot that is."""

from __future__ import annotations

import pytest

from tinyops.manifest.sent import Sent

OLD = Sent(("sha256:aa", "sha256:bb"), 900)


@pytest.mark.parametrize(
    ("now", "bytes_sent"),
    [
        (OLD, 0),
        (Sent(("sha256:cc", "sha256:dd"), 1000), 1000),
        (Sent(("sha256:cc", "sha256:dd"), 1000, ({"sha256:bb": 40}, {"sha256:aa": 60, "sha256:ee": 1})), 60),
        (Sent(("sha256:cc", "sha256:dd"), 1000, ({"sha256:bb": 40}, {"sha256:ee": 60})), 1000),
        (Sent(("sha256:cc", "sha256:dd"), 1000, ({"sha256:bb": 40}, {})), 1000),
    ],
)
def test_the_larger_of_two_slots_counts_and_a_delta_only_where_both_have_one(now: Sent, bytes_sent: int) -> None:
    assert now.bytes_after(OLD) == bytes_sent
