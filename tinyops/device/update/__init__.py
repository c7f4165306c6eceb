"""Bringing images onto devices that run: decided in `decide`, carried over a transport by `session`."""
