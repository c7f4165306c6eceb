"""What the fake GitHub holds."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

TOKEN = "ghs_canary0123456789abcdefghijklmnop"
READ_TOKEN = "ghs_readonly123456789abcdefghijklmno"
REPOSITORY = "acme/wearables-releases"
TREE = hashlib.sha1(b"tree").hexdigest()  # noqa: S324 as Git does
HEAD = hashlib.sha1(b"head").hexdigest()  # noqa: S324
KEPT = re.compile(r"[^A-Za-z0-9._+@-]")


@dataclass
class Asset:
    id: int
    release: int
    tag: str
    name: str
    content: bytes
    state: str = "uploaded"
    told: str = ""  # another digest than that of the content, as after damage

    @property
    def digest(self) -> str:
        return self.told or "sha256:" + hashlib.sha256(self.content).hexdigest()


@dataclass
class Release:
    id: int
    tag: str
    name: str
    body: str
    draft: bool
    prerelease: bool = False


@dataclass
class Refused(Exception):
    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def invalid(resource: str, name: str, code: str = "already_exists") -> Refused:
    errors = [{"resource": resource, "code": code, "field": name}]
    return Refused(422, {"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs/x"})


class State:
    """What GitHub holds; a test looks at it and changes it."""

    def __init__(self) -> None:
        self.repository = REPOSITORY
        self.api = self.uploads = self.objects = self.web = ""
        self.releases: dict[int, Release] = {}
        self.assets: dict[int, Asset] = {}
        self.latest: int | None = None
        self.refs: dict[str, str] = {"refs/heads/main": HEAD}
        self.commits: dict[str, tuple[str, str]] = {HEAD: ("first", TREE)}
        self.trees = {TREE}
        self.runs: dict[int, dict[str, Any]] = {}
        self.approvals: dict[int, list[tuple[str, str]]] = {}
        self.tokens = {TOKEN: "write", READ_TOKEN: "read"}
        self.private = False
        self.immutable = False
        self.tells_digests = True
        self.embedded_max = 1000
        self.damaged_uploads = 0  # how many of the next uploads arrive with another byte
        self.address_uses = 1000  # how often the long address of a download may be used
        self.rate_remaining: int | None = None
        self.rate_reset = 0
        self.addresses: dict[str, tuple[int, int]] = {}
        self.next_id = 100

    @property
    def repository_url(self) -> str:
        return f"{self.api}/repos/{self.repository}"

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def assets_of(self, release: int) -> list[Asset]:
        return [a for a in self.assets.values() if a.release == release]

    def published(self) -> dict[str, Release]:
        return {r.tag: r for r in self.releases.values() if not r.draft}

    def drafts(self) -> list[Release]:
        return [r for r in self.releases.values() if r.draft]

    def asset(self, tag: str, name: str) -> Asset:
        return next(a for a in self.assets_of(self.published()[tag].id) if a.name == name)

    def latest_tag(self) -> str:
        return self.releases[self.latest].tag if self.latest is not None else ""
