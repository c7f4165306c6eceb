"""Rollouts in waves: which releases begin one, when the next wave begins, when one halts, and who says so."""
