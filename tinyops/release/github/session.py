"""github3.py's session with limits: time, length, repeats, rates, and hosts that may see the token."""

from __future__ import annotations

import http.client
import io
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from github3.session import GitHubSession

import tinyops
from tinyops.errors import RemoteError
from tinyops.files import MIB
from tinyops.release.github.patience import Patience, rate_wait_s
from tinyops.release.github.place import Place
from tinyops.release.github.problems import failure, nonsense

ANSWER_LIMIT_BYTES = 128 * MIB  # a page of releases, each with up to 1,000 assets
CHUNK_BYTES = 256 * 1024
REDIRECTS_MAX = 4
REDIRECTS = (301, 302, 303, 307, 308)
REPEATABLE = ("GET", "HEAD", "PATCH", "PUT", "DELETE")  # here, doing it twice is as doing it once
BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


class _Bearer(requests.auth.AuthBase):
    """The token. It is not shown when printed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class Broken:
    """How a connection broke. `unsent`: the request did not leave this machine."""

    reason: str
    unsent: bool
    hopeless: bool


class Nobody(requests.auth.AuthBase):
    """No token, and none from .netrc either."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Session(GitHubSession):  # type: ignore[misc]  # github3 has no types
    """What every request of github3.py goes through. `doing` is what messages say was being done.

    Raises RemoteError for what went wrong for good; answers from 400 to 499 are github3's to raise.
    """

    def __init__(self, place: Place, token: str, patience: Patience) -> None:
        super().__init__()
        self.place = place
        self.patience = patience
        self.doing = ""
        self.base_url = place.api
        self.auth = _Bearer(token) if token else None
        self.headers["Accept"] = "application/vnd.github+json"
        self.headers["User-Agent"] = f"tinyops/{tinyops.__version__}"
        self.headers["X-GitHub-Api-Version"] = "2022-11-28"
        self._answered = False

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> requests.Response:
        """As requests does, repeated where that is safe; the body is read whole unless `stream` is asked for."""
        options.setdefault("timeout", (self.patience.connect_s, self.patience.read_s))
        method, attempt, asked = method.upper(), 0, 0
        if method not in ("GET", "HEAD"):
            self.patience.pace()
        while True:
            response, broken = self._try(method, url, arguments, options)
            if response is None:
                attempt += 1
                self._after_break(method, attempt, broken)
                continue
            wait_s = rate_wait_s(
                response.status_code, response.headers, _documentation(response), self.patience.now(), asked + 1
            )
            if wait_s is not None:
                asked += 1
                response.close()
                self.patience.wait_for_rate(wait_s, f"{self.place}: {self.doing}")
            elif response.status_code >= 500:
                attempt += 1
                response.close()
                self._after_failure(method, attempt, response)
            else:
                return response

    def _try(
        self, method: str, url: str, arguments: Any, options: dict[str, Any]
    ) -> tuple[requests.Response | None, Broken]:
        """The answer, or how the connection broke: in words, for the exception's frames hold the token."""
        try:
            return self._follow(method, url, arguments, options), Broken("", unsent=False, hopeless=False)
        except BROKEN as error:
            hopeless = isinstance(error, requests.exceptions.SSLError)
            return None, Broken(reason_of(error), unsent=never_sent(error), hopeless=hopeless)

    def _follow(self, method: str, url: str, arguments: Any, options: dict[str, Any]) -> requests.Response:
        """One request and its redirects among GitHub's own hosts. The token leaves no trace in what is returned."""
        stream, follow = options.get("stream", False), options.get("allow_redirects", True)
        for _ in range(REDIRECTS_MAX + 1):
            if not self.place.trusts(url):
                raise RemoteError(
                    f"{self.place}: {self.doing}: leads to {url.split('?')[0][:200]}, which is not of "
                    f"{self.place.host}: the token is not sent there",
                    hint="check `releases.url` in the project's spec",
                )
            _rewind(options.get("data"))
            response = self._send(method, url, arguments, options)
            target = response.headers.get("Location")
            if not (follow and response.status_code in REDIRECTS and target):
                if not stream:
                    response.raw = io.BytesIO(self._body(response))
                return response
            response.close()
            url = join(url, target)
        raise RemoteError(f"{self.place}: {self.doing}: more than {REDIRECTS_MAX} redirects")

    def _send(self, method: str, url: str, arguments: Any, options: dict[str, Any]) -> requests.Response:
        options = {**options, "stream": True, "allow_redirects": False}
        try:
            response: requests.Response | None = super().request(method, url, *arguments, **options)
        except requests.RequestException as error:
            _hide(error.request)
            raise
        except ValueError:
            response = None  # requests looks at where it leads, though it is not to go there
        if response is None:
            raise nonsense(self.place, self.doing, "it leads to what is no address")
        _hide(response.request)
        _hide(response.next)
        self._answered = True
        return response

    def _body(self, response: requests.Response) -> bytes:
        """A whole answer, within limits of length and time."""
        whole, deadline = bytearray(), self.patience.deadline(4 * MIB)
        with response:
            while chunk := read_some(response, CHUNK_BYTES):
                whole += chunk
                if len(whole) > ANSWER_LIMIT_BYTES:
                    raise nonsense(self.place, self.doing, f"longer than {ANSWER_LIMIT_BYTES:,} bytes")
                if self.patience.clock() > deadline:
                    raise requests.ReadTimeout("too slow")
        return bytes(whole)

    def _after_break(self, method: str, attempt: int, broken: Broken) -> None:
        """Waits for another attempt, or raises: at once where there is no way to GitHub at all."""
        hopeless = broken.hopeless or (broken.unsent and not self._answered)
        if hopeless or attempt >= self.patience.attempts or not (broken.unsent or method in REPEATABLE):
            sent = method not in ("GET", "HEAD") and not broken.unsent
            raise failure(self.place, self.doing, broken.reason, sent=sent, attempts=attempt)
        self.patience.back_off(attempt, f"{self.place}: {self.doing}: {broken.reason}")

    def _after_failure(self, method: str, attempt: int, response: requests.Response) -> None:
        known = http.client.responses.get(response.status_code, "")
        reason = f"GitHub answered {response.status_code} {known}".rstrip()
        if attempt >= self.patience.attempts or method not in REPEATABLE:
            sent = method not in ("GET", "HEAD")
            raise failure(self.place, self.doing, reason, sent=sent, attempts=attempt)
        self.patience.back_off(attempt, f"{self.place}: {self.doing}: {reason}")


def read_some(response: requests.Response, limit: int) -> bytes:
    """What has come of a body, decoded; empty at its end. Does not wait for more than there is."""
    raw = response.raw
    if isinstance(raw, urllib3.response.BaseHTTPResponse):
        return bytes(raw.read1(limit, decode_content=True))
    return bytes(raw.read(limit))


def join(url: str, target: str) -> str:
    """Where a redirect leads; empty for what is no address."""
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


def never_sent(error: BaseException) -> bool:
    """Whether a request did not leave this machine."""
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.ProxyError, requests.exceptions.SSLError)):
        return True
    inner = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else error
    cause = getattr(inner, "reason", inner)
    return isinstance(cause, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def reason_of(error: BaseException) -> str:
    """A broken connection in words, without addresses: signed ones are secrets."""
    inner = error.args[0] if isinstance(error, requests.RequestException) and error.args else error
    cause = getattr(inner, "reason", inner)
    if isinstance(error, requests.exceptions.SSLError):
        verify = next((e for e in _chain(cause) if isinstance(e, ssl.SSLCertVerificationError)), None)
        return f"its certificate is not trusted: {verify.verify_message}" if verify else "the TLS handshake failed"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached"
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return "GitHub cannot be reached: its name is not known here (no network?)"
    if never_sent(error):
        named = next((e.strerror for e in _chain(cause) if isinstance(e, OSError) and e.strerror), "no connection")
        return f"GitHub cannot be reached: {named}"
    if isinstance(error, (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError)) or _times_out(cause):
        return "GitHub stopped answering"
    return "the connection broke"


def _times_out(cause: Any) -> bool:
    return any(isinstance(e, (TimeoutError, urllib3.exceptions.TimeoutError)) for e in _chain(cause))


def _chain(error: Any) -> list[BaseException]:
    found: list[BaseException] = []
    while isinstance(error, BaseException) and len(found) < 10:
        found.append(error)
        inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        error = inner or error.__cause__ or error.__context__
    return found


def _documentation(response: requests.Response) -> str:
    if response.status_code not in (403, 429) or not isinstance(response.raw, io.BytesIO):
        return ""
    try:
        value = response.json()
    except (ValueError, RecursionError):
        return ""
    address = value.get("documentation_url") if isinstance(value, dict) else None
    return address if isinstance(address, str) else ""


def _hide(request: requests.PreparedRequest | requests.Request | None) -> None:
    """Takes the token out of a request that an answer or an exception carries around."""
    if isinstance(request, requests.PreparedRequest):
        request.headers.pop("Authorization", None)


def _rewind(data: Any) -> None:
    if hasattr(data, "seek"):
        data.seek(0)
