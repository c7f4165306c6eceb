"""Which repository on which GitHub, and where its token may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

PUBLIC = "https://github.com"
CLOUD = ".ghe.com"  # Enterprise Cloud with data residency: the API has a host of its own
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Place:
    """A repository, and the address of the GitHub that it is on."""

    owner: str
    name: str
    url: str = PUBLIC

    @staticmethod
    def of(repository: str, url: str = PUBLIC) -> Place:
        owner, _, name = repository.partition("/")
        return Place(owner, name, url.rstrip("/"))

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}" + ("" if self.url == PUBLIC else f" on {self.host}")

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def api(self) -> str:
        """The address of the REST API."""
        if self.url == PUBLIC:
            return "https://api.github.com"
        if self.host.endswith(CLOUD):
            return f"https://api.{self.host}"
        return f"{self.url}/api/v3"

    @property
    def page(self) -> str:
        """The repository's releases for people; devices fetch below it."""
        return f"{self.url}/{self.owner}/{self.name}/releases"

    @property
    def folder(self) -> str:
        """A folder's name for what belongs to it; no two places share one, `+` is in no name."""
        port = urlsplit(self.url).port
        return f"{self.host}{f'+{port}' if port else ''}+{self.owner}+{self.name}".lower()

    @property
    def command_options(self) -> str:
        """What GitHub's own command line needs to be told, beside the repository."""
        return "" if self.url == PUBLIC else f" --hostname {self.host}"

    def trusts(self, url: str) -> bool:
        """Whether the token may go there: to this GitHub's own hosts, never in the clear over a network."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return False
        if parts.scheme == "http":
            return host in LOOPBACK and host == self.host
        return parts.scheme == "https" and (host == self.host or host.endswith(f".{self.host}")) and "@" not in url


def may_follow(url: str, place: Place) -> bool:
    """Whether a download may be taken from there, without the token: encrypted, or this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK and place.host in LOOPBACK)
