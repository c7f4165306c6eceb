"""Techniques: what is done to a network so that it costs less, or learns better; by the fields of a variant.

A technique is a file here, and one line of `registry`.
"""
