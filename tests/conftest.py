"""What holds for every test."""

from __future__ import annotations

import signal
from functools import cache, lru_cache

from tinyops.documents import events
from tinyops.specs import schema

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Both are pure, and hundreds of tests read the catalogue or write a repository: the same bytes are parsed once a run,
# the schemas made once.
events.parse_events = lru_cache(maxsize=128)(events.parse_events)
schema.schemas = cache(schema.schemas)
