"""Which recordings are for training and which for the test: by content, so that nothing moves when others are added."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tinyops.errors import SpecError


def unique_recordings(ids: Sequence[str], labels: Sequence[str], digests: Sequence[str]) -> list[int]:
    """The indices that stay when every content is kept once, the first of its kind.

    A copy is no new evidence and could lie on both sides of a split. Raises SpecError when the same
    content has two labels.
    """
    first: dict[str, int] = {}
    for index, digest in enumerate(digests):
        before = first.setdefault(digest, index)
        if labels[before] != labels[index]:
            raise SpecError(
                f"{ids[index]} has the same content as {ids[before]}, "
                f"but is labelled {labels[index]} and not {labels[before]}",
                hint="one of the two labels is wrong",
            )
    return sorted(first.values())


def split_by_content(labels: Sequence[str], digests: Sequence[str], share: float, seed: int) -> list[bool]:
    """For each recording, whether it is for the test; its content's digest and the seed decide.

    In each class the recordings with the lowest hashes, `share` of them, at least one and never all,
    are for the test. A recording added to a class moves at most one other to the other side.
    """
    ranks = {d: hashlib.sha256(f"{seed}\n{d}".encode()).hexdigest() for d in digests}
    test: set[str] = set()
    for label in sorted(set(labels)):
        mine = sorted((d for d, its in zip(digests, labels, strict=True) if its == label), key=lambda d: ranks[d])
        number = min(max(round(share * len(mine)), 1), len(mine) - 1)
        test.update(mine[:number])
    return [d in test for d in digests]
