"""Streams of bytes that `tinyops bridge` and agents join: one file a kind, `registry.py` knows them all."""
