"""The ways in, in the order in which help lists them. A new one is a file beside this and a line here."""

from __future__ import annotations

from tinyops.collect.capture.ways.ble import BleWay
from tinyops.collect.capture.ways.camera import CameraWay
from tinyops.collect.capture.ways.http import HttpWay
from tinyops.collect.capture.ways.kind import Way
from tinyops.collect.capture.ways.microphone import MicrophoneWay
from tinyops.collect.capture.ways.serial_line import SerialWay
from tinyops.collect.capture.ways.sockets import ListenTcpWay, ListenUdpWay, TcpWay, UdpWay
from tinyops.collect.capture.ways.standard_input import StdinWay

WAYS: tuple[Way, ...] = (
    SerialWay(),
    TcpWay(),
    UdpWay(),
    ListenTcpWay(),
    ListenUdpWay(),
    BleWay(),
    HttpWay(),
    MicrophoneWay(),
    CameraWay(),
    StdinWay(),
)
