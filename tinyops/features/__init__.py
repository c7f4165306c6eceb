"""Sensor frames to model inputs.

`specification` reads features.json, `values` turns physical values into counts and counts into what
the float model sees, `host` runs the device's own C source on this machine, so that training,
calibration and the device see the same bytes.
"""

from tinyops.features.specification import Features, RawFeatures, TensorFeatures, parse_features, read_features

__all__ = ["Features", "RawFeatures", "TensorFeatures", "parse_features", "read_features"]
