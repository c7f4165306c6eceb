"""An emulated device that needs no gateway: it polls releases over TLS, updates its model, and refuses what it must."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import random
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from test_twin_boards import compile_image, contract_of

from fakes import release_hosts as hosts
from fakes.faults import count_faults
from fakes.network_device import HOST, NetworkDevice, make_flash, running
from tinyops.device.provision.format import NETWORK_VALUES_MAX, Settings, encode_copy, encode_values
from tinyops.files import digest_json
from tinyops.firmware.network import Device, Places, build, parts
from tinyops.images import Golden, Kind, build_image, golden_input, sign_image
from tinyops.link import Link, Tensor
from tinyops.link.smp import BoardManager
from tinyops.manifest.entry import Entry, EntryFile, EntryModel, EntryRollout
from tinyops.manifest.envelope import parse_envelope, seal
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import POSITIONS, Progress, position
from tinyops.specs.lock import SOURCES

pytestmark = pytest.mark.build

BOARD, FLEET = "mps2-network", "wrist"
ENTRY, ASSET = f"entry-{FLEET}-{BOARD}.json", "squeeze.activity.int8.bin"
CONTRACT = contract_of("nano33ble")
DIGEST = digest_json(CONTRACT).removeprefix("sha256:")
FILLER_BYTES = 24_000  # a model of some size: two windows of TCP, two records of TLS
DAY_S = 86400
BUILT = int(time.time()) - 60 * DAY_S
PLACES = Places()
CRASHES, WRONG = 1, 4  # faults of the reversing model, on an input that begins with 0x55
SEED_OF_FAULTS = next(seed for seed in itertools.count(1) if golden_input(seed, 8)[0] == 0x55)
OTHER_SEED = next(seed for seed in itertools.count(1) if golden_input(seed, 8)[0] != 0x55)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert isinstance(CONTRACT["arena_bytes"], int)
    device = Device(
        board=BOARD,
        fleet=FLEET,
        contract=bytes.fromhex(DIGEST),
        built=BUILT,
        arena_bytes=CONTRACT["arena_bytes"],
        frame_values=2,
        interval_ms=100,
        retry_ms=100,
        trial_ms=50,
        idle_ms=20,
    )
    return build(device, tmp_path_factory.mktemp("firmware"), lambda _: None, SOURCES)


@dataclass
class Lab:
    """A device, the releases that it polls, and who signs them. Versions count up."""

    folder: Path
    elf: Path
    authority: hosts.Authority
    elliptic: hosts.Authority
    releases: hosts.Releases
    device: NetworkDevice
    flash: Path
    key: SigningKey
    spare: SigningKey
    version: int = 1
    counts: dict[str, int] = field(default_factory=dict)

    def image(self, fault: int = 0, *, counter: int = 1, board: str = BOARD, key: SigningKey | None = None) -> bytes:
        """A new model, signed."""
        return sign_image(unsigned(self.folder, fault, counter=counter, board=board), key or self.key)

    def entry(self, image: bytes, *, key: SigningKey | None = None, **changes: Any) -> bytes:
        """The next release's entry, signed; `changes` are of its fields."""
        self.version += 1
        file = EntryFile(
            tag=f"v{self.version}", asset=ASSET, sha256=hashlib.sha256(image).hexdigest(), bytes=len(image)
        )
        kind = changes.pop("kind", "image")
        fields: dict[str, Any] = {
            "project": "wearables",
            "fleet": FLEET,
            "board": BOARD,
            "version": self.version,
            "security_counter": 1,
            "contract": DIGEST,
            "contract_file": file,
            "golden": file,
            "model": EntryModel(**file.to_json(), kind=kind),
        }
        return seal(Entry(**{**fields, **changes}).to_json(), [key or self.key]).to_bytes()

    def publish(self, entry: bytes, image: bytes) -> None:
        self.releases.publish(f"v{self.version}", {ENTRY: entry, ASSET: image})

    def release(self, fault: int = 0, **changes: Any) -> None:
        """Another model."""
        image = self.image(fault)
        self.publish(self.entry(image, **changes), image)

    def expect(self, pattern: str) -> str:
        return self.device.expect(pattern)

    def settle(self) -> None:
        """A good release is installed."""
        self.calm()
        self.release()
        self.expect("^confirmed")

    def calm(self) -> None:
        for host in (self.releases.front, self.releases.store):
            host.fault = ("", None)

    def refuses(self, what: str, pattern: str) -> str:
        """Says what it said."""
        self.device.skip()
        said = self.expect(pattern)
        self.counts[what] = self.counts.get(what, 0) + 1
        return said

    def report(self, suite: str) -> None:
        for what, number in self.counts.items():
            count_faults(f"{suite}: {what}", number)
        self.counts.clear()


MADE = itertools.count(1)


def unsigned(folder: Path, fault: int = 0, *, counter: int = 1, board: str = BOARD) -> bytes:
    """A model that reverses its input. With a fault its self-test meets that."""
    number = next(MADE)
    place = folder / f"model-{number}"
    place.mkdir()
    body = compile_image("nano33ble", place, CONTRACT, fault)["model.bin"].read_bytes()
    body += random.Random(number).randbytes(FILLER_BYTES)  # noqa: S311 only to be another
    return pack(body, SEED_OF_FAULTS, counter=counter, board=board)


def pack(body: bytes, seed: int, *, counter: int = 1, board: str = BOARD) -> bytes:
    """An image whose self-test expects what the reversing model gives without a fault."""
    golden = Golden(seed, zlib.crc32(golden_input(seed, 8)[::-1]))
    contract = bytes.fromhex(DIGEST)
    return build_image(body, kind=Kind.MODEL, board=board, contract=contract, counter=counter, golden=golden)


def settings(keys: Sequence[SigningKey], endpoint: str, roots: Sequence[hosts.Authority], written: int) -> bytes:
    told = Settings(
        "desk-1", FLEET, BOARD, tuple(key.public.raw for key in keys), b"\x33" * 32, endpoint, written=written
    )
    told = dataclasses.replace(told, roots=tuple(root.der for root in roots))
    return encode_values(told, NETWORK_VALUES_MAX)


@contextlib.contextmanager
def laboratory(
    elf: Path, folder: Path, *, written: int = BUILT, front_days: tuple[float, float] = (-10, 80)
) -> Iterator[Lab]:
    """A provisioned device with a model that a cable wrote; the releases begin without an entry."""
    key, spare = SigningKey.generate(), SigningKey.generate()
    authority, elliptic = hosts.Authority(folder), hosts.Authority(folder, "Elliptic Root", bits=0)
    with contextlib.ExitStack() as stack:
        releases = stack.enter_context(
            hosts.serving(authority.server(hosts.FRONT, days=front_days), authority.server(hosts.STORE))
        )
        name_port = stack.enter_context(hosts.naming(HOST, hosts.FRONT, hosts.STORE))
        values = settings((key, spare), releases.endpoint, (authority, elliptic), written)
        written_by_cable = {
            PLACES.models[0].origin: sign_image(unsigned(folder), key),
            PLACES.settings.origin: encode_copy(values, 1, PLACES.program_bytes),
        }
        flash = make_flash(PLACES, written_by_cable, folder / "flash.bin")
        device = stack.enter_context(running(elf, flash, name_port))
        yield Lab(folder, elf, authority, elliptic, releases, device, flash, key, spare)


@pytest.fixture(scope="module")
def lab(elf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(elf, tmp_path_factory.mktemp("lab")) as found:
        yield found


def outputs(device: NetworkDevice, given: bytes) -> bytes:
    device.skip()
    link = Link(device, name="the device", timeout_s=20)
    link.write_input(given)
    link.invoke()
    return link.read_tensor(Tensor.OUTPUT, len(given))


def test_it_updates_its_model_and_polls_for_little(lab: Lab) -> None:
    given = bytes((0x55, 1, 2, 3, 4, 5, 6, 7))
    assert outputs(lab.device, given) == given[::-1]
    wrong = bytearray(given)
    wrong[3] ^= 1
    other = sign_image(changed_model(lab.folder), lab.key)
    lab.releases.store.context = lab.elliptic.server(hosts.STORE)  # both kinds of certificates
    lab.publish(lab.entry(other), other)
    lab.expect(f"^model of version {lab.version}, bytes {len(other)}, from 0")
    lab.expect("^model on trial")
    lab.expect(f"^confirmed, version {lab.version}")
    assert outputs(lab.device, given) == bytes(wrong)[::-1]
    lab.expect("^up to date")
    assert re.fullmatch(r"unchanged, version \d+, received (\d+)", lab.expect("^unchanged"))
    lab.device.skip()
    sent = lab.releases.store.sent
    asked = len(lab.releases.store.seen)
    received = int(lab.expect("^unchanged").rpartition(" ")[2])
    assert received < 4096 and lab.releases.store.sent == sent and len(lab.releases.store.seen) > asked
    assert lab.releases.store.seen[-1][1]["If-None-Match"]
    print(f"\nan unchanged poll: {received} bytes of HTTP received, in {len(lab.releases.front.seen)} requests so far")
    lab.releases.store.context = lab.authority.server(hosts.STORE)
    lab.device.reset("power_cut")
    lab.expect("^up to date")
    assert outputs(lab.device, given) == bytes(wrong)[::-1]


def changed_model(folder: Path) -> bytes:
    """A good one that gives something else: its self-test has another input."""
    place = folder / "other"
    place.mkdir()
    body = compile_image("nano33ble", place, CONTRACT, WRONG)["model.bin"].read_bytes()
    return pack(body + bytes(FILLER_BYTES), OTHER_SEED)


def test_servers_that_cannot_prove_who_they_are_are_refused_by_name(lab: Lab, tmp_path: Path) -> None:
    lab.settle()
    front, stranger = lab.releases.front, hosts.Authority(tmp_path)
    good = front.context
    for what, context, words in (
        ("wrong root", stranger.server(hosts.FRONT), "no root that this device trusts"),
        ("wrong root of the same name", hosts.Authority(tmp_path, "Root").server(hosts.FRONT), "no root that"),
        ("wrong host", lab.authority.server("www.releases.test"), "certificate is another host's"),
        ("expired certificate", lab.authority.server(hosts.FRONT, days=(-40, -5)), "has expired"),
        ("certificate of tomorrow", lab.authority.server(hosts.FRONT, days=(1, 80)), "is not valid yet"),
    ):
        front.context = context
        assert hosts.FRONT in lab.refuses(what, f"^failed: .*{words}")
    front.context = good
    lab.releases.store.context = stranger.server(hosts.STORE)
    assert hosts.STORE in lab.refuses("wrong root of the second host", "^failed: no root that this device trusts")
    lab.releases.store.context = lab.authority.server(hosts.STORE)
    lab.device.skip()
    lab.expect("^unchanged")
    lab.report("network device")


@dataclass(frozen=True)
class Bad:
    """What goes wrong, where, and what the device says."""

    what: str
    words: str
    fault: hosts.Fault
    store: bool = False


BAD_ANSWERS = (
    Bad("page in place of the entry", "is no signed entry", hosts.html),
    Bad("entry without an end", "is no signed entry", hosts.endless, store=True),
    Bad("redirect loop", "redirects without end", hosts.looping),
    Bad("redirect to http", "no https URL", hosts.redirected("http://releases.test/")),
    Bad("redirect to a host that nobody knows", "no name server knows", hosts.redirected("https://elsewhere.test/")),
    Bad("no HTTP", "not HTTP as it should be", hosts.garbage),
    Bad("compressed answer", "not HTTP as it should be", hosts.compressed, store=True),
    Bad("entry altered", "no key that this device trusts signed the entry", hosts.altered, store=True),
    Bad("404", "the server refused 404", hosts.status(404)),
    Bad("500", "the server refused 500", hosts.status(500), store=True),
)


def test_bad_answers_are_refused_by_name(lab: Lab) -> None:
    lab.settle()
    image = lab.image()
    lab.publish(lab.entry(image), image)  # 304 would hide the store's faults
    for bad in BAD_ANSWERS:
        host = lab.releases.store if bad.store else lab.releases.front
        part = "file" if bad.store else "entry"
        host.fault = (part, bad.fault)
        if bad.store:
            lab.releases.front.fault = ("", None)
        lab.refuses(bad.what, f"^failed: .*{bad.words}")
        lab.releases.front.fault = ("", hosts.status(503))  # until the other host's fault is gone
        lab.releases.store.fault = ("", None)
    lab.calm()
    lab.expect("^confirmed")
    lab.report("network device")


def test_entries_that_are_not_for_it_are_refused_by_name(lab: Lab) -> None:
    lab.settle()
    older = lab.entry(lab.image())
    lab.settle()
    image = lab.image()
    entries: dict[str, tuple[bytes, str]] = {
        "older version": (older, "older than one that was accepted"),
        "entry of a key that is not trusted": (
            lab.entry(image, key=SigningKey.generate()),
            "no key that this device trusts signed the entry",
        ),
        "another fleet's entry": (lab.entry(image, fleet="ankle"), "another fleet's"),
        "another board's entry": (lab.entry(image, board="pico"), "another board's"),
        "another contract": (lab.entry(image, contract="ab" * 32), "for another contract"),
        "expired entry": (lab.entry(image, expires="2024-01-01T00:00:00Z"), "entry has expired"),
        "model that is no image": (lab.entry(image, kind="linked"), "no image for a slot"),
    }
    for what, (entry, words) in entries.items():
        lab.publish(entry, image)
        lab.refuses(what, f"^failed: .*{words}")
    lab.settle()
    lab.report("network device")


def test_a_rollout_in_waves_reaches_it_when_its_wave_begins_and_is_taken_back(lab: Lab) -> None:
    """It is in the second of two waves; both contents, and who speaks of waves, are named by the signed entry."""
    online, upto = SigningKey.generate(), position(FLEET, "desk-1") - 1
    before = lab.image()
    signed = lab.entry(before)
    lab.publish(signed, before)
    lab.expect(f"^confirmed, version {lab.version}")
    base = Entry.model_validate_json(parse_envelope(signed, limit_bytes=8192, where="entry").payload).content
    image = lab.image()
    rollout = EntryRollout(
        id=lab.version + 1,
        waves=(upto, POSITIONS - 1),
        on_failure="revert",
        keys=(online.public.raw.hex(),),
        progress=f"{lab.releases.endpoint}/download/waves/{FLEET}.json",
        base=base,
    )

    def say(sequence: int, state: str, waves: int, key: SigningKey = online) -> None:
        now = {"since": time_text(datetime.now(UTC)), "expires": time_text(datetime.now(UTC) + timedelta(days=5))}
        value = {"project": "wearables", "fleet": FLEET, "rollout": rollout.id, "sequence": sequence, "state": state}
        made = Progress.model_validate({**value, "waves": waves, **now, "time": now["since"]})
        lab.releases.files["waves", f"{FLEET}.json"] = seal(made.to_json(), [key]).to_bytes()
        lab.device.skip()

    lab.publish(lab.entry(image, rollout=rollout), image)
    lab.expect("^up to date")  # nobody said that it begins
    say(1, "advancing", 1)
    lab.expect("^unchanged")
    say(2, "advancing", 2, lab.key)
    lab.refuses("progress of a key that may not speak of it", "^failed: no key that this device trusts")
    say(2, "advancing", 2)
    lab.expect(f"^model of version {lab.version}, bytes {len(image)}")
    lab.expect("^confirmed")
    lab.expect("^unchanged")
    say(3, "halted", 2)
    lab.expect(f"^model of version {lab.version}, bytes {len(before)}")
    lab.expect("^confirmed")
    say(2, "advancing", 2)
    lab.refuses("older progress", "^failed: an older word about the rollout")
    lab.device.reset("power_cut")
    lab.refuses("older progress after a power cut", "^failed: an older word about the rollout")
    say(4, "halted", 2)
    lab.expect("^unchanged")
    lab.report("network device")


def test_an_image_goes_on_where_it_stopped_over_links_that_expire(lab: Lab) -> None:
    lab.settle()
    store, cuts = lab.releases.store, 3
    image = lab.image()
    lab.publish(lab.entry(image), image)
    with_entry = len(store.seen)
    for cut in range(cuts):
        store.fault = ("file", only_images(hosts.cut_after(5000 + 1000 * cut, lab.releases.expire), image))
        said = lab.expect("^resumes at [1-9]")
        assert "connection was lost" in said or "ended before" in said
    lab.expect("^confirmed")
    ranges = [headers["Range"] for _, headers in store.seen[with_entry:] if "Range" in headers]
    assert len(ranges) >= cuts and len(set(ranges)) >= cuts
    lab.counts["link that expires within an image"] = cuts
    image = lab.image()
    lab.publish(lab.entry(image), image)
    store.fault = ("file", only_images(hosts.chunked, image))
    lab.expect("^confirmed")
    lab.calm()
    lab.report("network device")


def only_images(fault: hosts.Fault, image: bytes) -> hosts.Fault:
    """The fault where an image is asked for; entries are given."""
    return lambda request, body: fault(request, body) if len(body) >= len(image) - 1 else request.give(body)


def test_images_that_are_not_what_the_entry_names_never_run(lab: Lab) -> None:
    lab.settle()
    good = lab.image()
    forged, foreign = lab.image(key=SigningKey.generate()), lab.image(board="pico")
    broken = bytearray(good)
    broken[5000] ^= 1
    cases: tuple[tuple[str, bytes, bytes, str], ...] = (
        ("forged image", forged, forged, "no key that this device trusts signed the image"),
        ("another board's image", foreign, foreign, "for another board"),
        ("damaged image", bytes(broken), bytes(broken), "not what its digest says"),
        ("longer image", good, good + b"x", "longer or shorter"),
        ("shorter image", good, good[:-1], "longer or shorter"),
        ("page in place of an image", b"<html>" * 200, b"<html>" * 200, "no image of a model"),
    )
    for what, named, given, words in cases:
        lab.publish(lab.entry(named), given)
        lab.device.skip()
        lab.expect(f"^(failed|refused): .*{words}")
        lab.counts[what] = 1
    swapped = sign_image(unsigned(lab.folder), lab.key)
    lab.publish(lab.entry(good), swapped[: len(good)])
    lab.device.skip()
    lab.expect("^failed: the file is not the one that the entry names")
    lab.counts["another signed image in its place"] = 1
    lab.settle()
    lab.report("network device")


def test_a_model_that_fails_its_trial_is_reverted_and_not_fetched_again(lab: Lab) -> None:
    given = bytes((0x55, 1, 2, 3, 4, 5, 6, 7))
    lab.settle()
    for what, fault in (("model that fails its self-test", WRONG), ("model that crashes", CRASHES)):
        lab.release(fault)
        lab.expect("^model on trial")
        lab.expect("^refused: ")
        lab.counts[what] = 1
        lab.device.skip()
        lab.expect("^unchanged")
        assert outputs(lab.device, given) == given[::-1]
    lab.settle()
    lab.report("network device")


def test_its_roots_are_replaced_over_its_line(lab: Lab, tmp_path: Path) -> None:
    lab.settle()
    moved = hosts.Authority(tmp_path, "Another Root")
    for host, name in ((lab.releases.front, hosts.FRONT), (lab.releases.store, hosts.STORE)):
        host.context = moved.server(name)
    lab.refuses("root that is not trusted any more", "^failed: no root that this device trusts")
    values = settings((lab.key, lab.spare), lab.releases.endpoint, (moved,), int(time.time()))
    BoardManager(lab.device, name="the device", timeout_s=20).write_settings(values)
    lab.device.skip()
    lab.expect("^unchanged|^up to date")
    lab.report("network device")


def test_without_a_clock_the_time_is_bounded(elf: Path, tmp_path: Path) -> None:
    """At the first connection it knows nothing but when it was provisioned; then what its servers say, in bounds."""
    days = (BUILT - time.time()) / DAY_S
    with laboratory(elf, tmp_path, front_days=(days - 40, days - 20)) as lab:
        lab.refuses("certificate that expired before it was provisioned", f"^failed: .*has expired.*{hosts.FRONT}")
        assert not lab.releases.front.seen, "refused before anything is asked"
        lab.releases.front.context = lab.authority.server(hosts.FRONT, days=(days - 10, days + 10))
        lab.expect("^failed")  # of a connection that the other certificate had still
        lab.refuses("certificate that expired by its server's own time", f"^failed: .*has expired.*{hosts.FRONT}")
        assert lab.releases.front.seen and not any("404" in said for said in lab.device.said), "it had to ask to know"
        lab.releases.front.context = lab.authority.server(hosts.FRONT)
        lab.expect("^failed: the server refused 404")
        lab.report("network device")


def test_what_it_weighs(elf: Path) -> None:
    """The figures of docs/update.md."""
    found = parts(elf)
    for name, part in found.items():
        print(f"{name}: {part.flash_bytes:,} bytes of flash, {part.ram_bytes:,} of RAM")
    del found["arena of the model"]
    assert sum(part.flash_bytes for part in found.values()) < 140 * 1024
    assert sum(part.ram_bytes for part in found.values()) < 96 * 1024
    assert found["fetching"].flash_bytes < 16 * 1024 and found["TLS"].flash_bytes < 64 * 1024
