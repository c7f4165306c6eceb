"""Augmentation: the training side varied anew, by seed; no recording of the test side is read or changed.

Steps on samples come before the features, so that the device's own C makes the rows of what they make; steps on rows
come after. A step is a file here, and one line of `registry`.
"""
