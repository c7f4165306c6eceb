"""Signing releases and keeping them: the store's interface, the directory store, keys, the lease."""
