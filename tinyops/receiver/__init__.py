"""What takes in what devices send: a small web server that stays within its bounds whoever knocks.

`tokens`, `rates`, `guard` and `serving` know nothing of what is received; `reports` is the first that uses them.
"""
