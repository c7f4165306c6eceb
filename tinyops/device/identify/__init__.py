"""What is connected, and what it can do: USB by its ids, the board by asking it, this machine by looking at itself."""

from tinyops.device.identify.find import Found, identify
from tinyops.device.identify.machine import Machine, look_at_machine
from tinyops.device.identify.usb import UsbDevice, connected

__all__ = ["Found", "Machine", "UsbDevice", "connected", "identify", "look_at_machine"]
