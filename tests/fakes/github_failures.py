"""Work on a GitHub store that must fail, and a hunt for the token in everything that the failure leaves behind."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from fakes.github_server import READ_TOKEN, TOKEN
from fakes.release_stores import GitHubBench
from fakes.releases import INERT
from tinyops.errors import RemoteError, TinyopsError
from tinyops.files import digest_bytes
from tinyops.release.github.store import GitHubStore

SECOND = INERT.but(library=b"\x7fELF of the second model" + bytes(range(256)) * 40)
MODEL = "image.activity.linux.model.so"


def reads(store: GitHubStore) -> None:
    store.latest()


def leases(store: GitHubStore) -> None:
    with store.lease("apply"):
        pass


def fetches(store: GitHubStore) -> None:
    manifest = store.latest().manifest
    store.fetch_output(manifest, digest_bytes(INERT.golden))


def publishes(bench: GitHubBench, model: Any = SECOND, **more: Any) -> None:
    manifest = bench.publisher.build(model, **more)
    store = bench.fresh()
    try:
        with store.lease("apply") as lease:
            store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), lease)
    finally:
        store.close()


def failing(
    bench: GitHubBench, work: Callable[[GitHubStore], None], error: type[TinyopsError] = RemoteError, **options: Any
) -> TinyopsError:
    """The error of work that must fail; neither it nor anything that was said holds the token."""
    store = bench.fresh(**options)
    try:
        with pytest.raises(error) as caught:
            work(store)
    finally:
        store.close()
    shown = everything_about(caught.value)
    for canary in (TOKEN, READ_TOKEN):
        assert canary not in shown
        assert canary not in "\n".join(bench.waits.said)
    assert type(caught.value) is error or error is RemoteError
    return caught.value


def everything_about(error: BaseException) -> str:
    """What a crash reporter would send: the chain of exceptions, and the variables of every frame but the tests'."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        texts += _sent(cause)
        with contextlib.suppress(TypeError):  # github3's, of a message that is no text
            texts.append(str(cause))
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                for value in frame.f_locals.values():
                    with contextlib.suppress(AttributeError, TypeError):  # github3's own, when fields are missing
                        texts += [repr(value), *_sent(value)]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


def _sent(value: object) -> list[str]:
    """The headers of the requests that an exception or an answer carries around."""
    carried = [value, *(getattr(value, name, None) for name in ("response", "request", "next"))]
    requests = [*carried, *(getattr(item, "request", None) for item in carried)]
    return [str(dict(item.headers)) for item in requests if hasattr(item, "headers") and hasattr(item.headers, "items")]
