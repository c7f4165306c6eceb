"""Deltas: an image as what differs from the one that runs. The format is `definition`; C has its numbers from there."""

from tinyops.images.delta.decode import MalformedDelta, apply_delta
from tinyops.images.delta.encode import make_delta

__all__ = ["MalformedDelta", "apply_delta", "make_delta"]
