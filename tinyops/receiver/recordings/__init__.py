"""The receiver of recordings: takes that many devices push at once, durable before anybody is told so.

`records` and `ledger` are the journal without a disk, `journal` its files and the one thread that writes them,
`admission` decides who may send how much, `desk` answers requests, `building` makes takes of bytes, `shelves` keeps
them in a dataset or an inbox, `app` is the web application.
"""
