"""What an agent accepts, and when it asks again: pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes.releases import INERT, Publisher
from tinyops.device.agent import BACK_OFF_MAX_S, next_delay, slot_state
from tinyops.device.offers import Offered, Refused, entry_digest
from tinyops.device.rules import check_content, check_offer
from tinyops.device.settings import AgentSettings
from tinyops.device.state import AgentState, Trial, load_state, only_agent, save_state
from tinyops.errors import Leased, SpecError, ToolError, UsageError
from tinyops.manifest.entry import Entry, entries
from tinyops.manifest.envelope import seal
from tinyops.manifest.report import LastUpdate

NOW = datetime(2027, 6, 1, tzinfo=UTC)
FRESH = AgentState(fleet="wrist", board="linux")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def entry_of(publisher: Publisher, **changes: Any) -> Entry:
    ((_, entry),) = entries(publisher.build(INERT, counter=2))
    return entry.model_copy(update=changes)


def accept(entry: Entry, state: AgentState = FRESH) -> Offered:
    offered = Offered(entry, entry_digest(seal(entry.to_json(), [])))
    check_offer(offered, state, NOW, where="entry.json")
    check_content(entry, state, where="entry.json")
    return offered


def test_a_good_entry_is_accepted(publisher: Publisher) -> None:
    entry = entry_of(publisher)
    assert accept(entry).entry == entry


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fleet": "ankle"}, "is for fleet ankle, this device belongs to wrist"),
        ({"board": "microbit"}, "is for board microbit, this device is a linux"),
        ({"project": "doorbells"}, "is of project doorbells, this device belongs to wearables"),
        ({"version": 4}, "release v4 is older than v5"),
        ({"security_counter": 1}, "its security counter 1 is below 2"),
        ({"expires": "2027-05-31T23:59:59Z"}, "expired at 2027-05-31"),
    ],
)
def test_what_is_refused(publisher: Publisher, changes: dict[str, Any], sentence: str) -> None:
    state = FRESH.but(project="wearables", accepted=5, accepted_digest="sha256:" + "0" * 64, security_counter=2)
    with pytest.raises(Refused, match=sentence):
        accept(entry_of(publisher, **{"version": 6, **changes}), state)


def test_an_image_for_a_microcontroller_is_refused(publisher: Publisher) -> None:
    entry = entry_of(publisher)
    image = entry.model_copy(update={"model": entry.model.model_copy(update={"kind": "image"})})
    with pytest.raises(Refused, match="offers a model as image"):
        accept(image)


def test_the_same_version_twice_must_be_the_same(publisher: Publisher) -> None:
    first = accept(entry_of(publisher))
    state = FRESH.but(accepted=1, accepted_digest=first.digest)
    assert accept(entry_of(publisher), state) == first
    with pytest.raises(Refused, match="a second, different v1"):
        accept(entry_of(publisher, security_counter=3), state)


def test_a_release_signed_again_to_live_longer_is_the_same(publisher: Publisher) -> None:
    first = accept(entry_of(publisher, expires="2027-07-01T00:00:00Z"))
    state = FRESH.but(accepted=1, accepted_digest=first.digest)
    assert accept(entry_of(publisher, expires="2028-01-01T00:00:00Z"), state).digest == first.digest


def test_slot_states(publisher: Publisher) -> None:
    entry = entry_of(publisher)
    given_up = LastUpdate(version=1, digest=None, result="reverted", reason="", time="2027-01-01T00:00:00Z")
    trial = Trial(slot="a", entry=entry, entry_digest="sha256:" + "0" * 64, attempts=1)
    running = {"current": "a", "slots": {"a": {"entry": entry, "since": "2027-01-01T00:00:00Z"}}}
    assert slot_state(FRESH) == "empty"
    assert slot_state(FRESH.but(trial=trial)) == "trial"
    assert slot_state(FRESH.but(last_update=given_up)) == "failed"
    assert slot_state(FRESH.but(**running)) == "confirmed"
    assert slot_state(FRESH.but(**running, last_update=given_up)) == "reverted"


def test_delays_double_up_to_an_hour_and_are_spread() -> None:
    assert [next_delay(60, n, 0.5) for n in range(4)] == [60, 120, 240, 480]
    assert next_delay(60, 1_000_000, 0.5) == BACK_OFF_MAX_S
    assert next_delay(86_400, 3, 0.5) == 86_400
    assert next_delay(100, 0, 0.0) == pytest.approx(90)
    assert next_delay(100, 0, 1.0) == pytest.approx(110)


@pytest.mark.parametrize(
    "changes", [{"fleet": "../x"}, {"device": "a/b"}, {"board": ""}, {"interval_s": 0}, {"project": "A"}]
)
def test_settings_that_are_wrong(tmp_path: Path, changes: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"store": "s", "fleet": "wrist", "board": "linux", "device": "pi"}
    settings = AgentSettings(**{**fields, **changes}, state=tmp_path, trust=tmp_path)
    with pytest.raises(UsageError):
        settings.check()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trust": None}, "nothing says whom to believe"),
        ({"root": Path("root.json")}, "--root: wants --metadata"),
        ({"chain": "a/b"}, "--chain: 'a/b' is no name"),
    ],
)
def test_settings_that_say_too_little(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    fields: dict[str, Any] = {"store": "s", "fleet": "wrist", "board": "linux", "device": "pi", "trust": tmp_path}
    with pytest.raises(UsageError, match=sentence):
        AgentSettings(**{**fields, **changes}, state=tmp_path).check()


def test_state_belongs_to_one_fleet_and_survives(tmp_path: Path) -> None:
    state = FRESH.but(accepted=3, sequence=7)
    save_state(tmp_path, state)
    assert load_state(tmp_path, "wrist", "linux") == state
    with pytest.raises(SpecError, match="belongs to fleet wrist, board linux, not to ankle, linux"):
        load_state(tmp_path, "ankle", "linux")
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ToolError, match="not valid JSON"):
        load_state(tmp_path, "wrist", "linux")


def test_one_agent_a_state_folder(tmp_path: Path) -> None:
    with only_agent(tmp_path), pytest.raises(Leased, match="another agent"), only_agent(tmp_path):
        pass
    with only_agent(tmp_path):
        pass
