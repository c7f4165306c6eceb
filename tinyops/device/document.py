"""The agent's own file, given with `--config`: YAML, checked like specs, with every problem at its line and column."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from tinyops.device.transports.registry import transport_of
from tinyops.device.transports.serial_line import SerialTransport
from tinyops.documents import Matching, Misplaced, Name, Strict, read, validate
from tinyops.errors import SpecError, UsageError
from tinyops.link.streams.registry import stream_of

ADDRESSES_MAX = 10_000
DAY_S = 86_400
LISTEN = "127.0.0.1:9110"


def _stream(name: str) -> str:
    """Refuses what names no stream."""
    try:
        stream_of(name)
    except UsageError as error:
        raise Misplaced((), error.message, hint=error.hint) from None
    return name


Seconds: TypeAlias = Annotated[float, Field(gt=0, le=30 * DAY_S)]
Place: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024)]
Stream: TypeAlias = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_stream)]
DeviceName: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "a device's name is letters, digits and . _ - between them, at most 63",
        max_length=63,
    ),
]


class Metadata(Strict):
    name: DeviceName = Field(description="This machine's id in its fleet's list of devices: it signs reports under it.")


class TrustSpec(Strict):
    """Whom to believe: `root` with `metadata` for TUF, `keys` for signed entries alone; with both, both."""

    keys: Place | None = Field(default=None, description="PEM file of the public keys that sign releases.")
    threshold: Annotated[int, Field(ge=1, le=16)] = Field(default=1, description="How many of them must have signed.")
    root: Place | None = Field(default=None, description="The first root.json of the project's metadata.")
    metadata: Place | None = Field(default=None, description="Where the metadata is: a folder or an http(s) URL.")
    project: Name | None = Field(default=None, description="Releases of this project only.")

    @model_validator(mode="after")
    def _says_whom(self) -> TrustSpec:
        if self.keys is None and self.root is None:
            raise Misplaced((), "says nobody to believe", hint="name keys, or root and metadata")
        if self.root is not None and self.metadata is None:
            raise Misplaced(("root",), "wants metadata, the address of what it is the root of")
        return self


class ReportsSpec(Strict):
    """Where reports go, and the token that lets this machine write there and nowhere else."""

    to: Place = Field(description="A folder, a receiver's https:// address, or another kind of sink.")
    token_file: Place | None = Field(default=None, description="A file with the token, read anew for each batch.")


class PartSpec(Strict):
    """The program of a part of a chain, which the agent runs, and its streams: a serial device, `tcp:HOST:PORT`,
    `tcp-listen:ADDRESS:PORT`, `udp:…`, `udp-listen:…`, `ble:NAME`, `ble-serve:NAME` or `ws-listen:…` (docs/bridge.md).
    """

    line: Stream = Field(description="Leads to the part after; the last part's results come out of it.")
    upstream: Stream | None = Field(default=None, description="Leads to the part before; the first part has none.")
    bridge: Stream | None = Field(default=None, description="Whoever connects here speaks with the part before.")
    pipe: Place | None = Field(
        default=None,
        description="Of a first part: another program writes the sensor's frames there; made where missing.",
    )

    @model_validator(mode="after")
    def _senses_first(self) -> PartSpec:
        if self.pipe is not None and self.upstream is not None:
            raise Misplaced(("pipe",), "only the first part has a sensor: it has no upstream", hint="leave pipe out")
        return self


class DeviceSpec(Strict):
    """This machine's own model; without it the agent is a gateway alone."""

    fleet: Name
    board: Name
    replay: Place | None = Field(default=None, description="A recording that stands for the sensor.")
    contract: Place | None = Field(default=None, description="What it is wired for: other contracts are refused.")
    chain: DeviceName | None = Field(default=None, description="The chain that it is a part of.")
    part: PartSpec | None = Field(default=None, description="Of a chain: the agent runs its program with these.")

    @model_validator(mode="after")
    def _is_a_part(self) -> DeviceSpec:
        if self.part is not None and self.chain is None:
            raise Misplaced(("part",), "wants the chain that it is a part of", hint="chain: ID")
        if self.part is not None and self.replay is not None:
            what = "feeds a whole model: the program of a part takes its frames itself"
            raise Misplaced(("replay",), what, hint="write them into part: {pipe: FILE}")
        return self


class WakeSpec(Strict):
    """A device that sleeps, and answers for `for_s` once in `every_s`."""

    every_s: Seconds
    for_s: Seconds

    @model_validator(mode="after")
    def _sleeps(self) -> WakeSpec:
        if self.for_s * 2 > self.every_s:
            raise Misplaced(("for_s",), "is more than half of every_s", hint="such a device needs no wake")
        return self


class AddressSpec(Strict):
    address: Place
    wake: WakeSpec | None = None
    listen: bool = Field(default=False, description="Look at it as soon as it says something by itself: serial lines.")

    @model_validator(mode="after")
    def _is_one(self) -> AddressSpec:
        _check(self.address, ("address",))
        if self.listen and not SerialTransport().takes(self.address):
            raise Misplaced(("listen",), "only serial lines can be listened to", hint="give it a wake instead")
        return self


class GatewaySpec(Strict):
    """The devices behind this machine."""

    auto: bool = Field(default=False, description="Every board of the catalogue that is plugged into USB.")
    addresses: tuple[Place, ...] = Field(default=(), max_length=ADDRESSES_MAX)
    devices: tuple[AddressSpec, ...] = Field(default=(), max_length=ADDRESSES_MAX)
    chains: Mapping[DeviceName, DeviceName] = Field(
        default_factory=dict, description="Devices that are parts of chains: a chain takes one place in waves."
    )
    jobs: Annotated[int, Field(ge=1, le=256)] = Field(default=16, description="Devices at once.")
    look_s: Seconds | None = Field(default=None, description="Between two looks at a device (default: interval_s).")
    update_timeout_s: Seconds = Field(default=3600.0, description="One device's update from start to end.")
    cache_mib: Annotated[int, Field(ge=1, le=65_536)] = Field(default=256, description="Images kept on disk.")

    @model_validator(mode="after")
    def _devices_differ(self) -> GatewaySpec:
        for at, address in enumerate(self.addresses):
            _check(address, ("addresses", at))
        seen: set[str] = set()
        for loc, address in self.places():
            if address in seen:
                raise Misplaced(loc, f"{address} is named twice")
            seen.add(address)
        if not seen and not self.auto:
            raise Misplaced((), "names no devices", hint="auto: true, addresses or devices")
        return self

    def places(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from ((("addresses", at), address) for at, address in enumerate(self.addresses))
        yield from ((("devices", at, "address"), one.address) for at, one in enumerate(self.devices))


class AgentSpec(Strict):
    store: Place = Field(description="Where releases are: a folder, an http(s) URL or github:OWNER/REPOSITORY.")
    trust: TrustSpec
    state: Place = Field(default="/var/lib/tinyops", description="The agent's own folder.")
    token_file: Place | None = Field(default=None, description="A token that reads a private store.")
    mirror: Place | None = Field(default=None, description="Asked for files before the store.")
    reports: ReportsSpec | None = None
    interval_s: Seconds = Field(default=300.0, description="Between two polls.")
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(default=30.0, description="For one answer of the store.")
    listen: str = Field(default=LISTEN, max_length=255, description='Where health and metrics are served; "": nowhere.')
    device: DeviceSpec | None = None
    gateway: GatewaySpec | None = None

    @model_validator(mode="after")
    def _does_something(self) -> AgentSpec:
        if self.device is None and self.gateway is None:
            raise Misplaced((), "has neither a device nor a gateway: it would do nothing")
        if self.listen:
            listen_at(self.listen, ("listen",))
        return self


class AgentDocument(Strict):
    """What one machine's agent does."""

    apiVersion: Literal["tinyops/v1"]
    kind: Literal["Agent"]
    metadata: Metadata
    spec: AgentSpec


def read_document(path: Path) -> AgentDocument:
    """Raises SpecError with every problem at its place."""
    documents = read(path)
    if len(documents) != 1:
        raise SpecError([documents[1].problem((), "a second document: an agent has one")])
    found = validate(documents[0], AgentDocument)
    if isinstance(found, list):
        raise SpecError(found)
    return found


def listen_at(text: str, loc: tuple[str | int, ...] = ()) -> tuple[str, int]:
    """Host and port. Raises Misplaced."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address("127.0.0.1" if bare == "localhost" else bare)
        if not 0 <= int(port) <= 65535:
            raise ValueError
    except ValueError:
        raise Misplaced(
            loc, f"{text!r} is no address to listen at", hint="write 127.0.0.1:9110 or [::1]:9110"
        ) from None
    return bare, int(port)


def _check(address: str, loc: tuple[str | int, ...]) -> None:
    try:
        transport_of(address)
    except UsageError as error:
        raise Misplaced(loc, error.message, hint=error.hint) from None
