"""The forms that a firmware has: one file a form."""
