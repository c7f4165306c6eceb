"""Files on a web server, below one address. The only module that imports requests for data, and only when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tinyops.errors import RemoteError, ToolError
from tinyops.files import CHUNK_BYTES
from tinyops.remote.files import Sink

CONNECT_S, READ_S = 10.0, 30.0
RETRIES = 3
BUSY = (429, 500, 502, 503, 504)
MISSING = (404, 410)
REDIRECTS = 5


class WebFiles:
    """Reads files of a web server. Whoever asks compares digests: nothing else says that they are the right ones.

    `headers` may hold an Authorization, which is sent to no other host.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        self._session = _session(self.url, headers)

    def fetch(self, name: str, to: Sink, limit_bytes: int) -> None:
        """At most `limit_bytes` of a file. Raises FileNotFoundError, RemoteError, and what requests raises."""
        address = f"{self.url}/{quote(name)}"
        with self._session.get(address, stream=True, timeout=(CONNECT_S, READ_S)) as response:
            if response.status_code in MISSING:
                raise FileNotFoundError(address)
            if response.status_code != 200:
                raise RemoteError(
                    f"{address}: the server answered {response.status_code}", hint=_hint(response.status_code)
                )
            left = limit_bytes
            for chunk in response.iter_content(CHUNK_BYTES):
                to.write(chunk[:left])
                left -= min(len(chunk), left)
                if not left:
                    return


def _session(url: str, headers: Mapping[str, str]) -> Any:
    try:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry
    except ImportError:
        raise ToolError(f"{url}: needs requests", hint="pip install 'tinyops[remote]'") from None
    session = requests.Session()
    session.max_redirects = REDIRECTS
    session.headers.update({"Accept-Encoding": "identity", **headers})
    # The last answer is given back rather than raised, so that its status can be named.
    patience = Retry(total=RETRIES, redirect=0, backoff_factor=0.5, status_forcelist=BUSY, raise_on_status=False)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=patience, pool_maxsize=16))
    return session


def _hint(status: int) -> str:
    if status in (401, 403):
        return '`credentials: {secret: NAME}` of the source names a secret such as {"Authorization": "Bearer …"}'
    return "try again later" if status in BUSY else "check the source's url"
