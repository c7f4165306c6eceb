"""The gateway's journal: what is kept, how much of it, and what a loss of power leaves."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.faults import count_faults
from tinyops.device.gateway.choice import Accepted
from tinyops.device.gateway.journal import (
    EVENTS_OF_DEVICE,
    JOURNAL_FILE,
    SAMPLES_OF_DEVICE,
    STEPS_OF_DEVICE,
    TEXT_MAX,
    Journal,
    JournalFailed,
    Remembered,
    event_of,
)

NOW = 1_800_000_000
MOMENT = "2027-01-15T08:00:00Z"
ONE = Remembered("w-1", "/dev/ttyACM0", "aa", "wrist", "microbit", NOW)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path, lambda: NOW)
    found.meet(ONE, [])
    yield found
    found.close()


def count(journal: Journal, table: str) -> int:
    return int(journal._read(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


def test_an_end_is_told_once_and_only_of_what_was_begun(journal: Journal) -> None:
    event = event_of(MOMENT, "installed", "it runs")
    journal.finish("w-1", "11", "installed", event)
    assert journal.events("w-1", 9) == ()
    journal.mark("w-1", "a", "11", "offer", 3, "upload")
    journal.mark("w-1", "b", "11", "offer", 3, "test")
    (step,) = journal.open_steps("w-1")
    assert (step.phase, step.version) == ("test", 3)
    for _ in range(2):
        journal.finish("w-1", "11", "installed", event, last_update="{}")
    assert journal.events("w-1", 9) == (event,) and journal.open_steps("w-1") == ()


def test_trials_are_counted_until_one_ends_well(journal: Journal) -> None:
    for _ in range(2):
        journal.mark("w-1", "a", "11", "offer", 3, "test")
        journal.finish("w-1", "11", "reverted", None)
    journal.mark("w-1", "a", "11", "offer", 3, "test")
    assert journal.trials("w-1", "11", "offer") == 3 and journal.trials("w-1", "11", "other") == 0
    journal.finish("w-1", "11", "installed", None)
    assert journal.trials("w-1", "11", "offer") == 2


def test_what_was_given_up_is_known_for_this_offer_alone(journal: Journal) -> None:
    journal.mark("w-1", "a", "11", "offer", 3, "upload")
    journal.finish("w-1", "11", "refused", None, given_up=("offer", "why"))
    assert journal.given_up("w-1", "11", "offer") == "why"
    assert journal.given_up("w-1", "11", "other") == journal.given_up("w-2", "11", "offer") == ""


def test_a_crash_and_a_trouble_are_told_when_they_change(journal: Journal) -> None:
    for crash in ("one", "one", "two"):
        journal.tell("w-1", event_of(MOMENT, "crash", crash), crash=crash)
    assert [event.text for event in journal.events("w-1", 9)] == ["one", "two"]
    for trouble in ("cloned", "cloned", "", "cloned"):
        journal.trouble_at("a", trouble, "w-2", event_of(MOMENT, "cloned", "x") if trouble else None)
    assert len(journal.events("w-2", 9)) == 2 and journal.troubles() == {"a": "cloned"}


def test_reports_are_numbered_and_never_below_the_time(tmp_path: Path) -> None:
    time = [NOW]
    journal = Journal(tmp_path, lambda: time[0])
    journal.meet(ONE, [])
    numbers = [journal.count_reports(["w-1", "stranger"]) for _ in range(3)]
    assert numbers == [{"w-1": NOW}, {"w-1": NOW + 1}, {"w-1": NOW + 2}]
    time[0] = 5  # a clock that was set back by decades
    assert journal.count_reports(["w-1"]) == {"w-1": NOW + 3}
    journal.close()
    journal = Journal(tmp_path, lambda: time[0])
    assert journal.count_reports(["w-1"]) == {"w-1": NOW + 4}
    journal.close()


def test_nothing_grows_without_end(journal: Journal) -> None:
    for number in range(3 * EVENTS_OF_DEVICE):
        journal.tell("w-1", event_of(MOMENT, "crash", f"{number}"))
        journal.mark("w-1", "a", f"{number:02x}", "offer", 1, "upload")
        journal.finish("w-1", f"{number:02x}", "dropped", None)
        journal.keep([ONE])
    journal.tell("w-2", event_of(MOMENT, "crash", "another's"))
    kept = [count(journal, table) for table in ("events", "steps", "samples")]
    assert kept == [EVENTS_OF_DEVICE + 1, STEPS_OF_DEVICE, SAMPLES_OF_DEVICE]
    assert journal.events("w-1", 1)[0].text == f"{3 * EVENTS_OF_DEVICE - 1}"
    assert len(event_of(MOMENT, "crash", "x\ny " * 999).text) == TEXT_MAX


def test_of_too_many_devices_the_longest_unseen_are_forgotten(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyops.device.gateway.journal.DEVICES_MAX", 3)
    for number in range(6):
        device = replace(ONE, device=f"d-{number}", address=f"a-{number}", seen_s=NOW + number)
        journal.meet(device, [event_of(MOMENT, "first-seen", "a device")])
    assert sorted(journal.devices()) == ["d-3", "d-4", "d-5"] and len(journal.places()) == 3
    assert count(journal, "events") == 3


def test_offers_are_remembered_over_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: NOW)
    journal.accept("wrist", "microbit", Accepted(3, "d"), [("11", "{}")])
    journal.close()
    journal = Journal(tmp_path, lambda: NOW)
    assert journal.accepted() == {("wrist", "microbit"): Accepted(3, "d")} and journal.models() == {"11": "{}"}
    journal.close()


@pytest.mark.parametrize("damage", ["noise", "schema"])
def test_a_damaged_journal_is_set_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / JOURNAL_FILE
    if damage == "noise":
        path.write_bytes(random.Random(1).randbytes(8192))  # noqa: S311
    else:
        journal = Journal(tmp_path, lambda: NOW)
        journal._db.execute("UPDATE about SET value = 'tinyops/gateway-journal/v9'")
        journal.close()
    journal = Journal(tmp_path, lambda: NOW)
    assert "was damaged" in journal.damaged and journal.devices() == {}
    assert (tmp_path / f"{JOURNAL_FILE}.damaged").exists()
    journal.close()


def test_what_cannot_be_written_is_a_sentence(journal: Journal) -> None:
    journal._db.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalFailed, match="the journal cannot be used: attempt to write a readonly database"):
        journal.mark("w-1", "a", "11", "offer", 1, "upload")
    assert "readonly" in journal.trouble
    journal._db.execute("PRAGMA query_only = OFF")
    journal.mark("w-1", "a", "11", "offer", 1, "upload")
    assert journal.trouble == ""


def story(journal: Journal) -> None:
    """An update, as the journal sees it."""
    journal.meet(ONE, [event_of(MOMENT, "first-seen", "a device")])
    for phase in ("upload", "test", "confirm"):
        journal.mark("w-1", "a", "11", "offer", 1, phase)  # type: ignore[arg-type]
    journal.finish("w-1", "11", "installed", event_of(MOMENT, "installed", "it runs"), last_update="{}")
    journal.keep([ONE])
    journal.count_reports(["w-1"])


def content(folder: Path) -> list[str]:
    db = sqlite3.connect(folder / JOURNAL_FILE)
    try:
        return [*db.iterdump()]
    finally:
        db.close()


@pytest.mark.faults
def test_power_that_fails_within_a_write_leaves_it_done_or_undone(tmp_path: Path) -> None:
    """What was synced before a write is there; of what the write added any part may be, then noise."""
    states: list[Path] = []

    def snapshot(number: int, when: str) -> None:
        if when.startswith("after"):
            states.append(tmp_path / f"state-{number}")
            shutil.copytree(tmp_path / "live", states[-1])

    (tmp_path / "live").mkdir()
    journal = Journal(tmp_path / "live", lambda: NOW, at_write=snapshot)
    shutil.copytree(tmp_path / "live", tmp_path / "state-0")
    story(journal)
    tried = 0
    for before, after in zip([tmp_path / "state-0", *states], states, strict=False):
        wanted = [content(shutil.copytree(one, tmp_path / f"read-{one.name}-{tried}")) for one in (before, after)]
        for cut in cuts(before, after):
            folder = shutil.copytree(after, tmp_path / f"cut-{tried}")
            wal = folder / f"{JOURNAL_FILE}-wal"
            kept = wal.read_bytes()[:cut]
            noise = random.Random(cut).randbytes(len(wal.read_bytes()) - cut) if tried % 2 else b""  # noqa: S311
            wal.write_bytes(kept + noise)
            (folder / f"{JOURNAL_FILE}-shm").unlink(missing_ok=True)
            opened = Journal(folder, lambda: NOW)
            opened.close()
            assert opened.damaged == "" and content(folder) in wanted
            tried += 1
    journal.close()
    assert tried >= 50
    count_faults("loss of power within a write of a gateway's journal", tried)


def cuts(before: Path, after: Path) -> list[int]:
    """Places within what a write added to the log."""
    sizes = [(one / f"{JOURNAL_FILE}-wal").stat().st_size for one in (before, after)]
    added = sizes[1] - sizes[0]
    return sorted({sizes[0] + added * part // 8 for part in range(9)} | {sizes[0] + 24, sizes[1] - 1})
