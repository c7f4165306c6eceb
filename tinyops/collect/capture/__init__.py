"""Recording from one device: bytes by any way in, frames out of them, takes into a dataset's index.

A way gives chunks of bytes (`ways`), a dialect makes blocks of frames of them (`dialects`), a journal keeps the blocks
of the running take safe from loss of power, and at its end `finishing` makes the take and its line.
"""
