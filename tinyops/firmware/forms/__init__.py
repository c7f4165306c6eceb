"""The forms that a firmware has: one file a form, see registry.py for the list."""
