"""A page on this machine on which people label recordings: what they change is the text of the index.

`edits` are the changes, `history` undoes them, `session` brings them onto the disk, `web` serves them with the page.
"""
