"""Releases as GitHub serves them, over TLS on loopback: a host that redirects, and one whose links expire; a name
server for both; and a certificate authority that signs what a test wants, good or bad."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FRONT, STORE = "releases.test", "objects.test"
PAGE = "/acme/wearables/releases"
LINK_CHARACTERS = 1600  # of a signed link, and more
DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Fault = Callable[["Request", bytes], None]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


class Authority:
    """A root, an intermediate authority, and what they certify. `bits` of RSA; 0: P-256."""

    def __init__(self, folder: Path, name: str = "Root", bits: int = 2048) -> None:
        self.folder, self.bits = folder, bits
        self.key, self.middle_key, self.leaf_key = self._new_key(), self._new_key(), self._new_key()
        self.root = self._sign(name, self.key, name, self.key, authority=True, days=(-400, 4000))
        self.middle = self._sign(f"{name} 1", self.middle_key, name, self.key, authority=True, days=(-400, 2000))

    @property
    def der(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.DER)

    def server(self, *hosts: str, days: tuple[float, float] = (-10, 80)) -> ssl.SSLContext:
        """A server's side of TLS with a new certificate for these hosts, valid from and until so many days from now."""
        key = self.leaf_key
        leaf = self._sign(hosts[0], key, f"{_name(self.root)} 1", self.middle_key, hosts=hosts, days=days)
        path = self.folder / f"{secrets.token_hex(8)}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in (leaf, self.middle)]
        path.write_bytes(private + b"".join(chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _new_key(self) -> Key:
        if self.bits:
            return rsa.generate_private_key(65537, self.bits)
        return ec.generate_private_key(ec.SECP256R1())

    def _sign(
        self,
        name: str,
        key: Key,
        issuer: str,
        by: Key,
        *,
        hosts: tuple[str, ...] = (),
        authority: bool = False,
        days: tuple[float, float],
    ) -> x509.Certificate:
        first, last = (now() + DAY * count for count in days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(first)
            .not_valid_after(last)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False
            )
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(by, hashes.SHA256())


def _name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


class Request(BaseHTTPRequestHandler):
    """`server.fault` answers instead of this class, when it is set and its part of the path is asked for."""

    protocol_version = "HTTP/1.1"
    server: Host
    timeout = 30

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        body = self.server.find(self)
        with contextlib.suppress(OSError):
            part, fault = self.server.fault
            if fault is not None and part in self.path:
                fault(self, body if isinstance(body, bytes) else b"")
            elif isinstance(body, str):
                self.answer(302, b"<a href>Moved</a>", {"Location": body})
            elif body is None:
                self.answer(self.server.missing, b"not here")
            else:
                self.give(body)

    def give(self, body: bytes) -> None:
        """The file, or the part of it that is asked for, unless the client has it."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        part = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", {"ETag": etag})
        elif part and int(part[1]) < len(body):
            first = int(part[1])
            span = f"bytes {first}-{len(body) - 1}/{len(body)}"
            self.answer(206, body[first:], {"ETag": etag, "Content-Range": span})
        elif part:
            self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        else:
            self.answer(200, body, {"ETag": etag, "Content-Security-Policy": "default-src 'none'; " * 40})

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.server.sent += len(body)
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.server.ahead_s)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the base class
        pass


class Host(ThreadingHTTPServer):
    """One host with TLS. `find` gives a request's file, where it is redirected to, or None."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, find: Callable[[Request], bytes | str | None]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.context, self.find = context, find
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.fault: tuple[str, Fault | None] = ("", None)
        self.sent = 0
        self.missing = 404
        self.ahead_s = 0.0
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is for the connection's own thread, which reads first."""
        connection, address = super().get_request()
        wrapped = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many tests want."""


@dataclass
class Releases:
    """What both hosts serve: files of releases by tag and name. Links to the second host expire when asked to."""

    front: Host = field(init=False)
    store: Host = field(init=False)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    latest: str = "v1"
    links: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"https://{FRONT}:{self.front.port}{PAGE}"

    def expire(self) -> None:
        self.links.clear()

    def publish(self, tag: str, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            self.files[tag, name] = data
        self.latest = tag

    def find_front(self, request: Request) -> str | None:
        newest = re.fullmatch(rf"{PAGE}/latest/download/([\w.-]+)", request.path)
        if newest:
            return f"{PAGE}/download/{self.latest}/{newest[1]}"
        tagged = re.fullmatch(rf"{PAGE}/download/([\w.-]+)/([\w.-]+)", request.path)
        if tagged is None or (tagged[1], tagged[2]) not in self.files:
            return None
        token = secrets.token_hex(LINK_CHARACTERS // 2)
        self.links[token] = (tagged[1], tagged[2])
        return f"https://{STORE}:{self.store.port}/file?expires=300&signature={token}"

    def find_stored(self, request: Request) -> bytes | None:
        token = request.path.rpartition("=")[2]
        request.server.missing = 403
        return self.files.get(self.links[token]) if token in self.links else None


@contextlib.contextmanager
def serving(front: ssl.SSLContext, store: ssl.SSLContext) -> Iterator[Releases]:
    releases = Releases()
    releases.front = Host(front, releases.find_front)
    releases.store = Host(store, releases.find_stored)
    hosts = (releases.front, releases.store)
    threads = [threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}) for host in hosts]
    for thread in threads:
        thread.start()
    try:
        yield releases
    finally:
        for host in hosts:
            host.stopping.set()
            host.shutdown()
            host.server_close()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def naming(address: bytes, *hosts: str) -> Iterator[int]:
    """The port of a name server that knows these hosts at one IPv4 address, and no others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_answer_names, args=(end, address, hosts))
        thread.start()
        try:
            yield int(end.getsockname()[1])
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"", end.getsockname())
            thread.join()


def _answer_names(end: socket.socket, address: bytes, hosts: tuple[str, ...]) -> None:
    while True:
        question, asker = end.recvfrom(512)
        if not question:
            return
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += question[at] + 1
        asked = question[12 : at + 5]
        known = ".".join(labels) in hosts
        head = question[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + bytes([0, known]) + b"\0\0\0\0"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x01\0\4" + address if known else b""
        end.sendto(head + asked + answer, asker)


# -- Faults --------------------------------------------------------------------------------------


def status(code: int) -> Fault:
    return lambda request, _: request.answer(code, b"trouble")


def html(request: Request, body: bytes) -> None:
    request.answer(200, b"<!doctype html><title>Please log in</title>", {"Content-Type": "text/html"})


def lengthened(request: Request, body: bytes) -> None:
    request.answer(200, body + b"x")


def shortened(request: Request, body: bytes) -> None:
    request.answer(200, body[:-1])


def altered(request: Request, body: bytes) -> None:
    request.give(body[:-100] + bytes([body[-100] ^ 1]) + body[-99:])


def endless(request: Request, body: bytes) -> None:
    """Without a length: there is no end."""
    request.head(200, {"Connection": "close"})
    while not request.server.stopping.is_set():
        request.wfile.write(body)
        request.server.sent += len(body)


def chunked(request: Request, body: bytes) -> None:
    request.head(200, {"Transfer-Encoding": "chunked"})
    for at in range(0, len(body), 1000):
        piece = body[at : at + 1000]
        request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    request.wfile.write(b"0\r\n\r\n")


def compressed(request: Request, body: bytes) -> None:
    request.answer(200, body, {"Content-Encoding": "gzip"})


def garbage(request: Request, body: bytes) -> None:
    request.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    request.close_connection = True


def looping(request: Request, body: bytes) -> None:
    request.answer(302, b"", {"Location": request.path})


def redirected(place: str) -> Fault:
    return lambda request, _: request.answer(302, b"", {"Location": place})


def cut_after(count: int, then: Callable[[], None] = lambda: None) -> Fault:
    """Announces all of what is asked for, sends so many bytes, and hangs up; once: then `then`."""

    def cut(request: Request, body: bytes) -> None:
        request.server.fault = ("", None)
        part = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        rest = body[int(part[1]) :] if part else body
        span = {"Content-Range": f"bytes {len(body) - len(rest)}-{len(body) - 1}/{len(body)}"} if part else {}
        request.head(206 if part else 200, {"Content-Length": str(len(rest)), **span})
        request.wfile.write(rest[:count])
        request.wfile.flush()
        request.close_connection = True
        then()

    return cut
