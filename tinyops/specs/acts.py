"""What a board does with each result beside reporting it over its line: an LED, a BLE notification, an HTTP request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from tinyops.documents import Matching, Strict

URL_CHARACTERS_MAX = 200
LOOPBACK = ("localhost", "127.0.0.1")
PORT_MAX = 65535


def _with_port_in_range(value: str) -> str:
    try:
        port = urlsplit(value).port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"its port is none: 1 to {PORT_MAX}")
    return value


# What is left of RFC 3986 needs no escape in C, JavaScript, YAML or a content security policy.
Url: TypeAlias = Annotated[
    str,
    Matching(
        r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&()*+=:@%/?-]*)?$",
        "a URL begins with http:// or https://, then a host; no user, password, fragment, quotes or spaces",
        max_length=URL_CHARACTERS_MAX,
    ),
    AfterValidator(_with_port_in_range),
]


class SerialAct(Strict):
    """The result goes over the serial line, which it does in any case."""

    kind: Literal["serial"]


class LedAct(Strict):
    """The board's LED is lit for every class but the first."""

    kind: Literal["led"]


class BleAct(Strict):
    """Phones and gateways that subscribe are notified over Bluetooth Low Energy; see docs/act.md."""

    kind: Literal["ble"]


class HttpAct(Strict):
    """A POST request a result, with a JSON body; see docs/act.md."""

    kind: Literal["http"]
    url: Url = Field(description="Where to, http or https.")
    only_changes: bool = Field(default=False, description="Only when the class is another than that of the last one.")

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def encrypted(self) -> bool:
        return self.parts.scheme == "https"

    @property
    def loopback(self) -> bool:
        """Whether it stays on the device itself."""
        return self.parts.hostname in LOOPBACK


def _named_act(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


AnyAct: TypeAlias = Annotated[SerialAct | LedAct | BleAct | HttpAct, Field(discriminator="kind")]
Act: TypeAlias = Annotated[
    AnyAct, BeforeValidator(_named_act, json_schema_input_type=Literal["serial", "led", "ble"] | AnyAct)
]


def read_acts(value: object) -> tuple[AnyAct, ...] | None:
    """What a step's settings hold of a binding's `act`."""
    return None if value is None else tuple(TypeAdapter(tuple[AnyAct, ...]).validate_python(value))


def http_act(acts: Sequence[AnyAct] | None) -> HttpAct | None:
    """The request that a binding asks for, if it does."""
    return next((act for act in acts or () if isinstance(act, HttpAct)), None)
