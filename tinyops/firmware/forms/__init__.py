"""The forms that a firmware's project has: one file a form."""
