"""What holds for every test."""

from __future__ import annotations

import signal
from functools import lru_cache

from tinyops.documents import events

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Parsing is pure, and hundreds of tests read the catalogue: the same bytes are parsed once a run.
events.parse_events = lru_cache(maxsize=128)(events.parse_events)
