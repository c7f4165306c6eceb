"""Rollouts in C as in Python: every choice, positions, and a device that polls through waves."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from test_fetch_cycle import (
    ASSET,
    CONTRACT,
    ENTRY,
    FRONT,
    KEY,
    KEYS,
    OLD,
    STRANGER,
    fields,
    model,
)

from fakes.compiled import BASE, SANITIZED
from fakes.faults import count_faults
from fakes.fetching import RUNTIME, Cycle, Event, Piece, Request, Server, answer, signature_objects
from tinyops.manifest.entry import Entry, EntryContent, EntryRollout, choose_content
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import POSITIONS, Progress, position

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
ONLINE, STATES = SigningKey.generate(), ("advancing", "holding", "halted", "finished")
TAKES = ("new", "base", "keep")
ADDRESS = "https://metadata.test/fleet/rollout/wrist.json"
SOON, PAST = "2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
AT = position("wrist", "d-1")  # as tests/runtime/run_fetch.c names itself


def parsed(value: dict[str, Any], **changes: Any) -> Entry:
    return Entry.model_validate({**value, **changes}, strict=False)


def rollout_of(base: bytes | None, *, waves: Sequence[int], on_failure: str = "revert", **changes: Any) -> EntryRollout:
    before = parsed(fields(base, 1)).content if base is not None else None
    values = {"id": 2, "waves": (*waves, POSITIONS - 1), "on_failure": on_failure, "progress": ADDRESS}
    named = {**values, "keys": (ONLINE.public.raw.hex(),), "base": before, **changes}
    return EntryRollout.model_validate(named, strict=False)


def progress_of(state: str = "advancing", waves: int = 1, *, sequence: int = 1, **changes: Any) -> Progress:
    times = {"since": PAST, "time": PAST, "expires": SOON}
    values = {"project": "wearables", "fleet": "wrist", "rollout": 2, "sequence": sequence, "state": state}
    return Progress.model_validate({**values, "waves": waves, **times, **changes}, strict=False)


# -- The same choice in both languages -----------------------------------------------------------


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rollout") / "run_rollout"
    sources = [ROOT / "tests/runtime/run_rollout.c", RUNTIME / "boot/table.c"]
    for name in ("update", "digest", "signature"):
        sources += sorted((RUNTIME / name).glob("*.c"))
    sources += [RUNTIME / f"fetch/{name}.c" for name in ("entry", "reading", "rollout", "json", "clock")]
    objects, include = signature_objects(made.parent)
    command: list[Any] = ["gcc", *BASE, *SANITIZED, *include, *sources, *objects, "-o", made]
    subprocess.run(command, check=True)
    return made


def said(runner: Path, lines: Sequence[str]) -> list[int]:
    text = "\n".join([*lines, ""])
    done = subprocess.run([runner], input=text, capture_output=True, text=True, check=True, timeout=60)
    assert "runtime error" not in done.stderr and "Sanitizer" not in done.stderr, done.stderr
    return [int(line) for line in done.stdout.split()]


def cases() -> Iterator[tuple[str, str]]:
    """Each case as the C program reads it, and what Python makes of it."""
    base = parsed(fields(OLD, 1)).content
    for reverts, has_base, known, other, state, reached, place, new in itertools.product(
        (0, 1), (0, 1), (0, 1), (0, 1), range(4), range(3), (0, 99, 100, POSITIONS - 1), (0, 1)
    ):
        made = EntryRollout(
            id=7,
            waves=(99, POSITIONS - 1),
            on_failure="revert" if reverts else "hold",
            keys=("5" * 64,),
            base=base if has_base else None,
        )
        progress = progress_of(STATES[state], reached, rollout=6 if other else 7) if known else None
        choice = choose_content(made, progress, place, runs_new=bool(new))
        yield f"C {reverts} {has_base} 99 {known} {other} {state} {reached} {place} {new}", choice


def test_every_choice_is_the_same_in_c(runner: Path) -> None:
    asked, wanted = zip(*cases(), strict=True)
    assert [TAKES[code] for code in said(runner, asked)] == list(wanted)
    assert min(map(wanted.count, TAKES)) > 50


def test_positions_are_the_same_in_c(runner: Path) -> None:
    names = [("wrist", "d-1"), ("w", "x"), ("a" * 63, "b" * 63), *((f"f-{n}", f"d-{n * n}") for n in range(200))]
    assert said(runner, [f"P {fleet} {unit}" for fleet, unit in names]) == [position(*name) for name in names]


# -- A device that polls -------------------------------------------------------------------------


@dataclass
class Site:
    """A release whose content comes in waves, what it replaces, and the host that says how far they are."""

    new: bytes = field(default_factory=lambda: model(2000))
    base: bytes | None = OLD
    waves: tuple[int, ...] = (AT,)
    progress: Progress | bytes | None = None
    signer: SigningKey = ONLINE
    rollout: dict[str, Any] = field(default_factory=dict)

    def entry(self) -> bytes:
        made = rollout_of(self.base, waves=self.waves).model_copy(update=self.rollout)
        return seal(parsed(fields(self.new), rollout=made).to_json(), [KEY]).to_bytes()

    def __call__(self, request: Request) -> list[Piece]:
        if request.host == "metadata.test":
            assert request.path == "/fleet/rollout/wrist.json"
            return [self.said(request)]
        name = request.path.rpartition("/")[2]
        body = self.entry() if name == ENTRY else self.new if "/v2/" in request.path else self.base
        assert body is not None and name in (ENTRY, ASSET)
        return [self.tagged(request, body) if name == ENTRY else answer(200, body)]

    def said(self, request: Request) -> bytes:
        if self.progress is None:
            return answer(404, b"<html>nothing here</html>")
        if isinstance(self.progress, bytes):
            return self.tagged(request, self.progress)
        return self.tagged(request, seal(self.progress.to_json(), [self.signer]).to_bytes())

    @staticmethod
    def tagged(request: Request, body: bytes) -> bytes:
        etag = f'"{hash(body) & 0xFFFFFFFF:x}"'
        return answer(304, ETag=etag) if request.headers.get("If-None-Match") == etag else answer(200, body, ETag=etag)


def polling(site: Server) -> Cycle:
    return Cycle(site, keys=KEYS, contract=CONTRACT, model=OLD, endpoint=f"https://{FRONT}/r/releases")


ENDS = (Event.UP_TO_DATE, Event.UNCHANGED, Event.WAITS, Event.CONFIRMED, Event.FAILED, Event.REFUSED)


def poll(device: Cycle) -> Event:
    return device.until(*ENDS).event


def test_a_device_goes_through_a_rollout_and_back() -> None:
    site = Site()
    with polling(site) as device:
        assert poll(device) is Event.UP_TO_DATE  # nobody said that it begins: it has what was before
        site.progress = progress_of(waves=0)
        assert poll(device) is Event.UP_TO_DATE
        site.progress = progress_of(waves=1, sequence=2)
        assert poll(device) is Event.CONFIRMED
        asked = len(device.served)
        assert [poll(device) for _ in range(3)] == [Event.UP_TO_DATE, Event.UNCHANGED, Event.UNCHANGED]
        assert len(device.served) - asked == 6  # two requests a poll, whose last answers are 304
        assert device.told[-1].received < 400
        site.progress = progress_of("halted", 1, sequence=3)
        assert poll(device) is Event.CONFIRMED  # back
        assert [poll(device) for _ in range(2)] == [Event.UP_TO_DATE, Event.UNCHANGED]


def test_it_waits_for_its_wave_and_takes_what_was_before_meanwhile() -> None:
    before = model(700)
    site = Site(base=before, waves=(AT - 1,), progress=progress_of(waves=1))
    with polling(site) as device:
        assert poll(device) is Event.CONFIRMED
        assert poll(device) is Event.UP_TO_DATE
        site.progress = progress_of(waves=2, sequence=2)
        assert poll(device) is Event.CONFIRMED and device.told[-1].total == len(site.new)
    with polling(Site(base=None, waves=(AT - 1,), progress=progress_of(waves=1))) as device:
        assert poll(device) is Event.WAITS
        assert poll(device) is Event.UNCHANGED


def test_who_has_the_new_model_keeps_it_when_nobody_says_how_far_it_is() -> None:
    site = Site(progress=progress_of())
    with polling(site) as device:
        assert poll(device) is Event.CONFIRMED
        site.progress = None
        assert poll(device) is Event.WAITS
        site.progress = progress_of(expires=PAST, sequence=5)
        assert poll(device) is Event.WAITS
        device.reboot()
        assert poll(device) is Event.WAITS
    with polling(Site(progress=progress_of("finished", 2), rollout={"progress": ""})) as device:
        assert poll(device) is Event.UP_TO_DATE  # no address: it stays with what was before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"signer": STRANGER}, "no key that this device trusts signed the entry"),
        ({"signer": KEY}, "no key that this device trusts signed the entry"),
        ({"progress": progress_of(fleet="other")}, "does not say how far the rollout is"),
        ({"progress": progress_of(project="other")}, "does not say how far the rollout is"),
        ({"progress": b"<html>"}, "does not say how far the rollout is"),
        ({"progress": b"x" * 9000}, "what the server sent is no signed entry"),
        ({"progress": progress_of(sequence=4)}, "an older word about the rollout"),
    ],
)
def test_what_cannot_be_believed_moves_nothing(change: dict[str, Any], words: str) -> None:
    site = Site(progress=progress_of(waves=0, sequence=5))
    with polling(site) as device:
        assert poll(device) is Event.UP_TO_DATE
        site.progress = progress_of(waves=1, sequence=6)
        for name, value in change.items():
            setattr(site, name, value)
        device.reboot()  # it remembers the sequence
        assert poll(device) is Event.FAILED and words in device.told[-1].words
        site.signer, site.progress = ONLINE, progress_of(waves=1, sequence=7)
        assert poll(device) is Event.CONFIRMED


@pytest.mark.faults
@pytest.mark.parametrize("count", [9379, 10**9])
def test_a_page_that_says_at_length_that_nothing_is_there_is_as_good_as_a_short_one(count: int) -> None:
    """GitHub Pages says it in 9 KB, a hostile server without an end: a new device still gets what was before."""
    before = model(700)
    site = Site(base=before)
    page = answer(404, b"x" * 9379).replace(b"9379", str(count).encode())
    pages = [page, *([b"x" * 9000] * 50 if count > 9379 else [])]
    with polling(lambda request: pages if request.host == "metadata.test" else site(request)) as device:
        assert poll(device) is Event.CONFIRMED and device.told[-1].total == len(before)
    count_faults("pages without an end in place of a rollout's progress", int(count > 9379))


@pytest.mark.faults
def test_an_entry_that_expired_since_it_was_read_installs_nothing() -> None:
    """A server may say for ever that it is the same one, and the schedule goes on to sign how far its rollout is."""
    site, dates = Site(waves=(AT,), progress=progress_of(waves=0)), ["Sun, 06 Nov 2033 08:49:37 GMT"]
    made = parsed(fields(site.new, expires="2033-11-07T00:00:00Z"), rollout=rollout_of(OLD, waves=(AT,)))
    body = seal(made.to_json(), [KEY]).to_bytes()

    def serve(request: Request) -> list[Piece]:
        entry = request.path.endswith(ENTRY)
        (piece,) = [site.tagged(request, body)] if entry else site(request)
        assert isinstance(piece, bytes)
        return [piece.replace(b"\r\n", f"\r\nDate: {dates[0]}\r\n".encode(), 1)]

    with polling(serve) as device:
        assert poll(device) is Event.UP_TO_DATE
        site.progress = progress_of(waves=1, sequence=2)
        dates[0] = "Tue, 08 Nov 2033 08:49:37 GMT"
        assert poll(device) is Event.FAILED and "expired" in device.told[-1].words
    count_faults("entries that expired since they were read", 1)


def test_another_rollouts_progress_says_nothing_about_this_one() -> None:
    with polling(Site(progress=progress_of("finished", 2, rollout=1))) as device:
        assert poll(device) is Event.UP_TO_DATE


@pytest.mark.parametrize("change", [{"contract": "9" * 64}, {"security_counter": 0}])
def test_a_content_before_that_is_not_for_this_device_is_not_taken(change: dict[str, Any]) -> None:
    wrong = EntryContent.model_validate({**dict(parsed(fields(model(700), 1)).content), **change}, strict=False)
    with polling(Site(rollout={"base": wrong})) as device:
        assert poll(device) is Event.FAILED


@pytest.mark.parametrize(
    "rollout",
    [
        {"waves": (9, 3, POSITIONS - 1)},
        {"waves": ()},
        {"waves": (1,) * 21},
        {"keys": ()},
        {"keys": ("0" * 64,) * 5},
        {"keys": ("0" * 62,)},
        {"id": 0},
        {"on_failure": "explode"},
        {"progress": "x" * 201},
        {"base": {}},
        {"base": 7},
    ],
)
def test_a_rollout_of_another_form_is_refused(rollout: dict[str, Any]) -> None:
    value = parsed(fields(model(700)), rollout=rollout_of(OLD, waves=(5,))).to_json()
    value["rollout"] |= rollout
    body = seal(value, [KEY]).to_bytes()
    with Cycle(lambda _: [answer(200, body)], keys=KEYS, contract=CONTRACT, model=OLD) as device:
        told = device.until(*ENDS)
        assert (told.event, told.words) == (Event.FAILED, "what the server sent is no signed entry")
