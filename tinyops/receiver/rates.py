"""How often somebody may: token buckets by name, never more than so many. Pure: the caller says what time it is."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

KNOWN_MAX = 20_000
IPV6_PREFIX = 64  # what one customer of a provider has


@dataclass
class _Bucket:
    level: float
    at_s: float


class Rates:
    """`per_s` in the long run and `burst` at once, for each name apart. Who was not seen for longest is forgotten."""

    def __init__(self, per_s: float, burst: float, *, known_max: int = KNOWN_MAX) -> None:
        self.per_s, self.burst, self._known_max = per_s, burst, known_max
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, name: str, now_s: float, cost: float = 1.0) -> float:
        """0 where it may, which is counted; else seconds until it may, and nothing is counted."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self.burst, now_s)
            if len(self._buckets) > self._known_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        bucket.level = min(self.burst, bucket.level + max(now_s - bucket.at_s, 0) * self.per_s)
        bucket.at_s = now_s
        if bucket.level >= cost:
            bucket.level -= cost
            return 0.0
        return (cost - bucket.level) / self.per_s

    def __len__(self) -> int:
        return len(self._buckets)


def client_name(address: str) -> str:
    """Whom an address counts as: itself, or the network that one customer has of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)
