"""The frame protocol between a board and its host: definition, codec, the host's end and the C header."""

from tinyops.link.client import (
    BoardFault,
    ByteStream,
    Cycles,
    Hello,
    Link,
    LinkClosed,
    LinkError,
    LinkTimeout,
    Refused,
    Result,
    Stats,
    Timing,
    describe_status,
)
from tinyops.link.codec import Decoder, Frame, encode
from tinyops.link.header import c_header, part_header
from tinyops.link.protocol import DATA_MAX, LINK_VERSION, PAYLOAD_MAX, Status, Tensor, Type

__all__ = [
    "DATA_MAX",
    "LINK_VERSION",
    "PAYLOAD_MAX",
    "BoardFault",
    "ByteStream",
    "Cycles",
    "Decoder",
    "Frame",
    "Hello",
    "Link",
    "LinkClosed",
    "LinkError",
    "LinkTimeout",
    "Refused",
    "Result",
    "Stats",
    "Status",
    "Tensor",
    "Timing",
    "Type",
    "c_header",
    "describe_status",
    "encode",
    "part_header",
]
