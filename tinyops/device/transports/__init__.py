"""Ways to a device for its updates: one registry, one file a kind."""

from tinyops.device.transports.kind import Channel, Traits, Transport
from tinyops.device.transports.registry import KINDS, transport_of

__all__ = ["KINDS", "Channel", "Traits", "Transport", "transport_of"]
