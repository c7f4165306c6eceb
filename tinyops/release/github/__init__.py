"""Releases on GitHub: assets of signed releases, and the lease as a Git ref. github3.py does the talking."""
