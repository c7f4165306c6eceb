"""Which release devices are judged by: the one that they are offered, not one that waits for signatures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fakes.fleets import NOW, published
from tinyops.errors import UnsafePlan
from tinyops.reconcile.observed import judging
from tinyops.reconcile.verbs import promote
from tinyops.reconcile.world import World

FIRST, SECOND, _ = published()


class Store:
    """A store of two releases of which devices are offered one, or none yet."""

    def __init__(self, offered: int) -> None:
        self._offered = offered

    def offered(self) -> int:
        return self._offered

    def read(self, version: int) -> Any:
        return SimpleNamespace(manifest={1: FIRST, 2: SECOND}[version])


def world(offered: int, **fleets: Any) -> World:
    repository: Any = SimpleNamespace(fleets=fleets)
    release: Any = SimpleNamespace(manifest=SECOND)
    store: Any = Store(offered)
    return World(repository, None, {}, store, release)  # type: ignore[arg-type]


@pytest.mark.parametrize(("offered", "manifest"), [(2, SECOND), (1, FIRST), (0, None)])
def test_devices_are_judged_by_what_they_are_offered(offered: int, manifest: Any) -> None:
    assert world(offered).offered is manifest
    assert judging(world(offered), NOW).manifest is manifest


def test_before_the_first_release_nothing_is_offered() -> None:
    repository: Any = SimpleNamespace(fleets={})
    assert World(repository, None, {}, None, None).offered is None  # type: ignore[arg-type]


def test_nobody_is_promoted_on_a_release_that_no_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyops.reconcile.verbs.released_models", lambda *_: {"linux": "sha256:" + "0" * 64})
    when = SimpleNamespace(fleet="wrist", converged_share=1.0, soak_h=0)
    spec = SimpleNamespace(promote_when=when, devices=SimpleNamespace(file=None), rollout=None, class_shares=None)
    spec.targets = {"linux": None}
    entry = SimpleNamespace(document=SimpleNamespace(spec=spec))
    with pytest.raises(UnsafePlan, match="v2 waits for signatures"):
        promote(world(1, wrist=entry), "wrist", "wrist", NOW)
