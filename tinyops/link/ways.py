"""Where a collector is found beside its serial line: the numbers that its firmware and its host share."""

from __future__ import annotations

NETWORK_PORT = 7424  # TCP and UDP. Over UDP a datagram holds whole frames

# The serial service that Nordic's samples have, and with them most programs that talk to a serial line over BLE.
BLE_SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
BLE_WRITE = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"  # the host's bytes, written
BLE_NOTIFY = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"  # the board's, notified
