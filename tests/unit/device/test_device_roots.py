"""Roots of servers: read from PEM, written to a device with the rest, refused where they vouch for nobody."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tinyops.device.provision.devices_file import Device
from tinyops.device.provision.enrolling import Enrolment, Network, check_network, enrol
from tinyops.device.provision.format import NETWORK_VALUES_MAX, SECRET_FROM, Tag, decode_values
from tinyops.device.provision.roots import ROOTS_MAX, read_roots
from tinyops.errors import UsageError
from tinyops.manifest.keys import SigningKey

ROOT = Path(__file__).parents[3]
TODAY = date(2027, 6, 30)


def certificate(name: str, *, authority: bool = True) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9))
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())


def pem(*found: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in found)


@dataclass
class Board:
    """Keeps what it is given, and gives out what stands before the first secret."""

    name: str = "a board"
    data: bytes = b""

    def write_settings(self, data: bytes) -> None:
        self.data = data

    def read_settings(self) -> bytes:
        values = decode_values(self.data, where=self.name)
        return self.data[: sum(len(value) + 3 for tag, value in values.items() if tag < SECRET_FROM)]


def test_roots_come_as_they_stand_in_their_file_and_reach_the_device(tmp_path: Path) -> None:
    found = [certificate("Root 1"), certificate("Root 2")]
    path = tmp_path / "roots.pem"
    path.write_bytes(b"# of both hosts\n" + pem(*found))
    roots = read_roots(path)
    assert roots == tuple(one.public_bytes(Encoding.DER) for one in found)
    board = Board()
    keys = [SigningKey.generate().public for _ in range(2)]
    network = Network("https://example.org/releases", roots=roots)
    check_network(network)
    enrol(board, Device("d-1", "pico-w"), Enrolment("wrist", ["pico-w"], keys, network), TODAY)
    values = decode_values(board.data, where="it")
    assert values[Tag.ROOTS] == b"".join(roots)
    written = int.from_bytes(values[Tag.WRITTEN], "little")
    assert written == datetime.datetime(2027, 6, 29, tzinfo=datetime.UTC).timestamp()
    enrol(board, Device("d-1", "pico-w"), Enrolment("wrist", ["pico-w"], keys, Network()), TODAY)
    assert {Tag.ROOTS, Tag.WRITTEN}.isdisjoint(decode_values(board.data, where="it"))


def test_roots_that_vouch_for_nobody_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "roots.pem"
    for data, words in (
        (b"", "no certificates in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificates in PEM"),
        (
            pem(certificate("Root"), certificate("leaf", authority=False)),
            r"certificate 2 \(CN=leaf\) is no authority's",
        ),
        (pem(*[certificate("Root")] * (ROOTS_MAX + 1)), f"a device keeps {ROOTS_MAX}"),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=words):
            read_roots(path)
    with pytest.raises(UsageError, match="vouch for nobody"):
        check_network(Network("http://example.org", roots=(b"x",)))


def test_device_and_host_agree_on_how_much_there_may_be() -> None:
    runtime = ROOT / "tinyops/runtime/port/lwip"
    assert f"ROOTS_MAX = {ROOTS_MAX} " in (runtime / "trust.c").read_text()
    built = (ROOT / "tinyops/firmware/network.py").read_text()
    assert f"TINYOPS_SETTINGS_VALUES_MAX={NETWORK_VALUES_MAX}u" in built
