"""The order of the steps for one model on one board, and running those that are stale."""
