"""The agent with real compiled models through a rollout in waves: waits, takes its wave, halts, goes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.models import compiled_model
from fakes.releases import Publisher
from fakes.waves import LAST, Waves
from fakes.web import FakeServer, serving
from tinyops.device.agent import run_agent
from tinyops.device.settings import AgentSettings
from tinyops.files import digest_bytes
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import position
from tinyops.manifest.report import DeviceReport

pytestmark = pytest.mark.build

GOOD, NEWER = compiled_model(), compiled_model(bias=40)


@pytest.fixture
def waves(tmp_path: Path) -> Waves:
    return Waves(Publisher(tmp_path))


def poll(
    waves: Waves,
    server: FakeServer,
    device: str = "pi-7",
    on_event: Callable[[str], None] = lambda _: None,
    **changes: Any,
) -> DeviceReport:
    root = waves.publisher.root
    fields: dict[str, Any] = {"state": root / f"state-{device}", "trust": waves.publisher.trust_file, "once": True}
    store, metadata = f"{server.url}/releases", f"{server.url}/metadata"
    where = {"store": store, "metadata": metadata, "fleet": "wrist", "board": "linux", "device": device}
    return run_agent(AgentSettings(**{**where, **fields, **changes}), on_event=on_event)


def runs(report: DeviceReport) -> bytes:
    assert report.running is not None
    return GOOD.library if report.running.model == digest_bytes(GOOD.library) else NEWER.library


def test_a_device_waits_for_its_wave_and_goes_back_without_a_download(waves: Waves) -> None:
    publisher = waves.publisher
    publisher.publish(GOOD)
    first = waves.entry()
    early, late = sorted(("pi-7", "pi-8"), key=lambda device: position("wrist", device))
    with serving(publisher.root) as server:
        for device in (early, late):
            poll(waves, server, device)
        publisher.publish(NEWER)
        waves.spread(first, waves=(position("wrist", early), LAST))
        report = poll(waves, server, early)
        assert runs(report) == GOOD.library and report.wave == 0
        assert report.problem is not None and "no progress of the rollout" in report.problem
        waves.progress()
        assert runs(poll(waves, server, early)) == NEWER.library
        report = poll(waves, server, late)
        assert (runs(report), report.wave, report.problem) == (GOOD.library, 1, None)
        waves.progress(state="halted", reason="too many crashes")
        server.seen.clear()
        report = poll(waves, server, early)
        assert runs(report) == GOOD.library and report.slot.state == "confirmed"
        assert {path.split("/")[1] for path, _ in server.seen} == {"releases", "metadata"} and len(server.seen) == 2
        assert report.running is not None and report.running.version == 1
        publisher.publish(NEWER)
        waves.spread(first)
        waves.progress()
        assert {runs(poll(waves, server, device)) for device in (early, late)} == {NEWER.library}


def test_what_a_person_should_look_at_is_said_and_reported(waves: Waves) -> None:
    waves.publisher.publish(GOOD)
    waves.spread(None)
    now = datetime.now(UTC)
    waves.progress(time=time_text(now - timedelta(days=2)), expires=time_text(now + timedelta(days=1)))
    events: list[str] = []
    with serving(waves.publisher.root) as server:
        report = poll(waves, server, on_event=events.append)
        assert runs(report) == GOOD.library and report.last_update is not None
        assert report.problem is not None and "half of its life is over" in report.problem
        assert f"warning: {report.problem}" in events
        assert [event.kind for event in report.events] == ["installed", "warning"]
        assert [event.kind for event in poll(waves, server).events] == ["installed", "warning"], "said once"
        waves.progress()
        assert poll(waves, server).problem is None


def test_without_a_base_a_device_keeps_what_it_runs(waves: Waves) -> None:
    waves.publisher.publish(GOOD)
    waves.spread(None, on_failure="hold")
    with serving(waves.publisher.root) as server:
        waves.progress(waves=0)
        assert poll(waves, server).running is None
        waves.progress()
        assert runs(poll(waves, server)) == GOOD.library
        waves.progress(state="halted")
        assert runs(poll(waves, server)) == GOOD.library


def test_a_model_that_was_given_up_is_not_what_its_base_is_refused_for(waves: Waves) -> None:
    """Both are offered by the same signed entry."""
    publisher = waves.publisher
    publisher.publish(GOOD)
    first = waves.entry()
    publisher.publish(compiled_model("CRASH"))
    waves.spread(first)
    with serving(publisher.root) as server:
        waves.progress()
        with pytest.raises(Exception, match="nothing runs"):
            poll(waves, server)
        assert poll(waves, server).running is None
        waves.progress(state="halted")
        assert runs(poll(waves, server)) == GOOD.library
