"""What a poll costs on a plain nginx, and a device that updates from it by TUF metadata, from the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.models import compiled_model
from fakes.nginx import PROGRAM, Wire, counted, nginx
from fakes.releases import Publisher
from fakes.trusted import Trusted
from fakes.waves import LAST, Waves
from tinyops.cli import main
from tinyops.manifest.document import entry_asset
from tinyops.manifest.entry import EntryRollout

pytestmark = [pytest.mark.build, pytest.mark.skipif(PROGRAM is None, reason="no nginx here")]

GOOD, NEWER = compiled_model(), compiled_model(bias=40)
ENTRY = entry_asset("wrist", "linux")
REQUESTS_MAX, BYTES_MAX = 2, 1024


class Site:
    """A store, and the metadata of its releases, as one static site."""

    def __init__(self, root: Path) -> None:
        self.publisher = Publisher(root)
        self.trusted = Trusted(root / "metadata", clock=datetime.now(UTC))
        self.waves = Waves(self.publisher, self.trusted.online)
        self.root = root
        self.editions = 0
        (root / "root.json").write_bytes(self.trusted.roots[0])

    def release(self, model: object, *, state: str = "advancing") -> None:
        base = self.waves.entry() if self.publisher.store.latest() else None
        self.publisher.publish(model)  # type: ignore[arg-type]
        entry = self.waves.entry()
        keys = (self.trusted.online.public.raw.hex(),)
        content = base.content if base else None
        rollout = EntryRollout(id=entry.version, waves=(LAST,), on_failure="revert", keys=keys, base=content)
        self.waves.write_entry(entry.model_copy(update={"rollout": rollout}))
        listed = {ENTRY: self.waves.entry_path.read_bytes()}
        self.trusted.release(listed, entry.version, {"wrist": self.waves.progress(state=state)})
        self._age()

    def tell(self, state: str) -> None:
        self.trusted.publish(progress={"wrist": self.waves.progress(state=state)})
        self._age()

    def _age(self) -> None:
        """nginx makes ETags of whole seconds and sizes: no two progresses that the test writes are of one second."""
        self.editions += 1
        os.utime(self.trusted.root / "rollout" / "wrist.json", (1_800_000_000 + self.editions,) * 2)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def wire(site: Site, tmp_path: Path) -> Iterator[Wire]:
    with nginx(site.root, tmp_path / "nginx") as address, counted(address) as counting:
        yield counting


def agent(site: Site, wire: Wire, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    words = ["agent", "--json", "--once", "--store", f"{wire.address}/releases", "--fleet", "wrist", "--board", "linux"]
    words += ["--device", "pi-7", "--state", str(site.root / "state"), *options]
    assert main(words) == 0
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_an_unchanged_poll_by_tuf_is_two_requests_and_a_kilobyte(
    site: Site, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    by_tuf = ("--metadata", f"{wire.address}/metadata", "--root", str(site.root / "root.json"))
    site.release(GOOD)
    agent(site, wire, capsys, *by_tuf)
    wire.reset()
    report = agent(site, wire, capsys, *by_tuf)
    assert report["problem"] is None
    print(f"an unchanged poll by TUF: {wire.requests} requests on {wire.connections} connection, {wire.bytes} bytes")
    assert (wire.requests, wire.connections) == (REQUESTS_MAX, 1)
    assert wire.bytes <= BYTES_MAX


def test_an_unchanged_poll_by_signed_entries_is_no_more(
    site: Site, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    site.release(GOOD)
    by_entries = ("--metadata", f"{wire.address}/metadata", "--trust", str(site.publisher.trust_file))
    agent(site, wire, capsys, *by_entries)
    wire.reset()
    assert agent(site, wire, capsys, *by_entries)["problem"] is None
    print(f"an unchanged poll by signed entries: {wire.requests} requests, {wire.bytes} bytes")
    assert wire.requests <= REQUESTS_MAX and wire.bytes <= BYTES_MAX


def test_a_device_updates_waits_and_goes_back_by_tuf(
    site: Site, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    by_tuf = ("--metadata", f"{wire.address}/metadata", "--root", str(site.root / "root.json"))
    site.release(GOOD)
    first = agent(site, wire, capsys, *by_tuf)
    site.release(NEWER)
    second = agent(site, wire, capsys, *by_tuf)
    assert second["running"] != first["running"] and second["wave"] == 0
    site.tell("halted")
    wire.reset()
    third = agent(site, wire, capsys, *by_tuf)
    assert third["running"]["model"] == first["running"]["model"]  # type: ignore[index]
    assert wire.requests == 5, "the metadata that changed and the progress: no model"
    assert site.trusted.clock < datetime.now(UTC) + timedelta(days=1)
