"""Observe the world, plan its difference to the specs, apply it: the only place where these meet.

`world` observes and plans, `apply` builds and publishes, `locking` and `rendering` write what is committed.
"""
