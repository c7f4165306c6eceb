"""What CI does with plans: one comment, one issue, a matrix of jobs, and what jobs hand on to apply."""
