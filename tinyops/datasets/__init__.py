"""Datasets as versions: the index that a commit pins, the files behind it, what is judged of them.

`index` is the small text file in Git, `take` what a device recorded, `formats` read files of recordings, `split` says
which side each is on, `checks` what data must be. Nothing here talks to a device or a network.
"""
