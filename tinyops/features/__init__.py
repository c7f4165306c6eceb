"""Sensor frames to model inputs.

`specification` holds what features.json says, `reading` reads it, `stages` are what can stand between samples and a
row of values, `values` turns physical values into counts and rows into what the float model sees, `code` writes a
front end in C with its tables, `host` runs the device's own C source on this machine, so that training, calibration and
the device see the same bytes.
"""

from tinyops.features.reading import parse_features, read_features
from tinyops.features.specification import Features, FrameFeatures, RawFeatures, StagedFeatures, TensorFeatures

__all__ = [
    "Features",
    "FrameFeatures",
    "RawFeatures",
    "StagedFeatures",
    "TensorFeatures",
    "parse_features",
    "read_features",
]
