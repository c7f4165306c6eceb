"""Fetching in C, under sanitizers: whatever a server sends, and however slowly; entries; resuming; trials."""

from __future__ import annotations

import calendar
import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.fetching import LOST, Cycle, Event, Piece, Request, Server, Told, answer
from tinyops.files import canonical_json
from tinyops.images import Kind, build_image, sign_image
from tinyops.manifest.entry import Entry, EntryFile, EntryModel, read_entry
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey, Trust

pytestmark = pytest.mark.build

KEY, SPARE, STRANGER = (SigningKey.generate() for _ in range(3))
KEYS = (KEY.public.raw, SPARE.public.raw)
CONTRACT = bytes(range(32))
ENTRY, ASSET = "entry-wrist-desk.json", "model.bin"
INTERVAL_MS, RETRY_MS = 3_600_000, 60_000
FRONT, STORE = "releases.test", "objects.test"
NUMBERS = itertools.count(1)


def model(count: int = 9000, *, counter: int = 1, key: SigningKey = KEY, board: str = "desk") -> bytes:
    body = random.Random(next(NUMBERS)).randbytes(count)  # noqa: S311 only to be another
    return sign_image(build_image(body, kind=Kind.MODEL, board=board, contract=CONTRACT, counter=counter), key)


OLD = model()


def entry(image: bytes, version: int = 2, key: SigningKey = KEY, **changes: Any) -> bytes:
    return seal(fields(image, version, **changes), [key]).to_bytes()


def fields(image: bytes, version: int = 2, **changes: Any) -> dict[str, Any]:
    file = EntryFile(tag=f"v{version}", asset=ASSET, sha256=hashlib.sha256(image).hexdigest(), bytes=len(image))
    values: dict[str, Any] = {
        "project": "wearables",
        "fleet": "wrist",
        "board": "desk",
        "version": version,
        "security_counter": 1,
        "contract": CONTRACT.hex(),
        "contract_file": file,
        "golden": file,
        "model": EntryModel(**file.to_json(), kind="image"),
    }
    return Entry(**{**values, **changes}).to_json()


@dataclass
class Site:
    """A release as two hosts serve it; `change` may put other pieces in place of an answer's."""

    image: bytes
    entry: bytes
    change: Callable[[Request, list[Piece]], Iterable[Piece]] = lambda _, pieces: pieces
    links: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self, request: Request) -> Iterable[Piece]:
        return self.change(request, [self.plain(request)])

    def plain(self, request: Request) -> bytes:
        latest = f"/r/releases/latest/download/{ENTRY}"
        if request.host == FRONT and request.path == latest:
            return answer(302, b"moved", Location=f"/r/releases/download/v2/{ENTRY}")
        if request.host == FRONT:
            name = request.path.rpartition("/")[2]
            return answer(302, Location=f"https://{STORE}/{name}?link={next(self.links)}&{'x' * 1600}")
        body = self.entry if request.path.startswith(f"/{ENTRY}") else self.image
        etag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        if request.headers.get("If-None-Match") == etag:
            return answer(304, ETag=etag)
        part = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if part:
            first = int(part[1])
            span = f"bytes {first}-{len(body) - 1}/{len(body)}"
            return answer(206, body[first:], Content_Range=span, ETag=etag)
        return answer(200, body, ETag=etag, Date="Sun, 06 Nov 2033 08:49:37 GMT")


def site(image: bytes | None = None, **changes: Any) -> Site:
    image = image or model()
    return Site(image, entry(image, **changes))


def cycle(server: Server, **changes: Any) -> Cycle:
    return Cycle(server, keys=KEYS, contract=CONTRACT, model=OLD, **changes)


def is_image(request: Request) -> bool:
    return request.host == STORE and request.path.startswith(f"/{ASSET}")


def first_answer(*pieces: Piece) -> Told:
    """What comes of a server that gives these in answer to the first request."""
    with cycle(lambda _: pieces) as device:
        return device.until()


# -- The way of a model --------------------------------------------------------------------------


@pytest.mark.parametrize("piece_bytes", [3, 10_000])
def test_a_model_is_fetched_tried_and_confirmed_in_pieces_of_any_length(piece_bytes: int) -> None:
    image = model(900)
    with cycle(site(image), piece_bytes=piece_bytes) as device:
        found = device.until(Event.CONFIRMED, Event.FAILED, Event.REFUSED)
        assert [told.event.name for told in device.told] == ["OFFER", "TRIAL", "CONFIRMED"], found
        assert found.bytes == found.total == len(image) and found.version == 2
        device.piece_bytes = 10_000
        assert device.until().event is Event.UP_TO_DATE
        assert device.until().event is Event.UNCHANGED
        assert device.served[-1].headers["If-None-Match"] and device.times[0] == calendar.timegm(
            (2033, 11, 6, 8, 49, 37)
        )
        assert device.opened[:3] == [FRONT, STORE, FRONT]  # both redirects of the first host over one connection
        device.reboot()
        assert device.until().event is Event.UP_TO_DATE


def test_what_it_asks_is_what_servers_want() -> None:
    with cycle(site(), endpoint="https://Releases.test:8443/r/releases/") as device:
        device.until(Event.OFFER)
    assert device.served[0] == Request(FRONT, 8443, f"/r/releases/latest/download/{ENTRY}", device.served[0].headers)
    assert device.served[0].headers == {
        "Host": f"{FRONT}:8443",
        "User-Agent": "tinyops",
        "Accept-Encoding": "identity",
    }
    with cycle(lambda _: [answer(404)], endpoint="https://releases.test") as device:
        device.until()
        assert device.served[0].path == f"/latest/{ENTRY}"


@pytest.mark.parametrize("endpoint", ["http://releases.test/r", "releases.test", "https://", "https://a@b/r", ""])
def test_an_endpoint_must_be_https(endpoint: str) -> None:
    with cycle(site(), endpoint=endpoint) as device:
        assert device.until().words == "this device was told no https address of releases" and not device.opened


# -- Answers -------------------------------------------------------------------------------------

LONG = "x" * 4000
HEADS: dict[str, tuple[bytes, str]] = {
    "not HTTP": (b"\x16\x03\x01\0\0\r\n\r\n", "not HTTP"),
    "HTTP/2": (b"HTTP/2 200 OK\r\n\r\n", "not HTTP"),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", "not HTTP"),
    "an upgrade": (answer(101), "not HTTP"),
    "nothing but interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 6, "not HTTP"),
    "no colon": (b"HTTP/1.1 200 OK\r\nETag\r\n\r\n", "not HTTP"),
    "a folded line": (b"HTTP/1.1 200 OK\r\nETag: a\r\n b\r\n\r\n", "not HTTP"),
    "a control character": (b"HTTP/1.1 200 OK\r\nETag: a\x01\r\n\r\n", "not HTTP"),
    "a head without an end": (b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 9000, "not HTTP"),
    "a line without an end": (b"HTTP/1.1 200 OK\r\nX-Y: " + b"z" * 40_000, "not HTTP"),
    "a length of letters": (answer(200, Content_Length="many"), "longer or shorter"),
    "a negative length": (answer(200, Content_Length="-5"), "longer or shorter"),
    "a length of 2^32": (answer(200, Content_Length="4294967296"), "longer or shorter"),
    "a length of many digits": (answer(200, Content_Length="1" * 30), "longer or shorter"),
    "a length that is too long a field": (answer(200, Content_Length="1" + " " * 200), "not HTTP"),
    "two lengths": (answer(200, b"x", content_length="2"), "longer or shorter"),
    "a length and chunks": (answer(200, b"x", Transfer_Encoding="chunked"), "longer or shorter"),
    "another transfer": (answer(200, Content_Length="", Transfer_Encoding="gzip, chunked"), "not HTTP"),
    "a compressed body": (answer(200, b"x", Content_Encoding="br"), "not HTTP"),
    "a range that is none": (answer(206, b"x", Content_Range="bytes 5-2/9"), "not HTTP"),
    "a part of an entry": (answer(206, b"x", Content_Range="bytes 0-0/9"), "refused"),
    "304 to what was never fetched": (answer(304), "refused"),
    "a redirect to nowhere": (answer(302), "no https URL"),
    "a redirect to http": (answer(302, Location="http://objects.test/"), "no https URL"),
    "a redirect to a file": (answer(302, Location="file:///etc/passwd"), "no https URL"),
    "a redirect to no host": (answer(302, Location="https:///x"), "no https URL"),
    "a redirect with a user": (answer(302, Location="https://objects.test@evil.test/"), "no https URL"),
    "a redirect with a port of 0": (answer(302, Location="https://objects.test:0/"), "no https URL"),
    "a redirect with a port of 65536": (answer(302, Location="https://objects.test:65536/"), "no https URL"),
    "a redirect with a space": (answer(302, Location="https://objects.test/a b"), "no https URL"),
    "a redirect that is too long": (answer(302, Location="https://objects.test/" + "x" * 4090), "no https URL"),
    "two redirects in one": (answer(302, Location="https://a.test/", location="https://b.test/"), "no https URL"),
    "a chunk without a length": (answer(200, Content_Length="", Transfer_Encoding="chunked") + b"\r\n", "not HTTP"),
    "a chunk that is too long": (
        answer(200, Content_Length="", Transfer_Encoding="chunked") + b"ffffffffff\r\n",
        "longer or shorter",
    ),
    "a chunk that goes on": (answer(200, Content_Length="", Transfer_Encoding="chunked") + b"1\r\nxyz", "not HTTP"),
    "a body that is cut": (answer(200, b"x", Content_Length="9"), "ended before its end"),
    "a chunk that is cut": (answer(200, Content_Length="", Transfer_Encoding="chunked") + b"9\r\nx", "ended before"),
    "a page": (answer(200, b"<!doctype html>"), "no signed entry"),
    "nothing": (answer(200), "no signed entry"),
    "a body that is too long": (answer(200, b"{" * 9000), "no signed entry"),
    "a body without an end": (answer(200, b"{" * 9000, Content_Length=""), "no signed entry"),
    "chunks without an end": (
        answer(200, Content_Length="", Transfer_Encoding="chunked")
        + b"100\r\n"
        + b"{" * 256
        + b"\r\n"
        + b"1\r\n{\r\n" * 8000,
        "no signed entry",
    ),
    "404": (answer(404, b"x"), "refused"),
    "500": (answer(500, b"x"), "refused"),
}


@pytest.mark.parametrize("what", HEADS)
def test_an_answer_that_cannot_be_right_ends_the_poll(what: str) -> None:
    given, words = HEADS[what]
    found = first_answer(given)
    assert found.event is Event.FAILED and words in found.words, found


def test_what_servers_may_send_is_taken() -> None:
    image = model(900)
    good = entry(image)

    def serve(request: Request) -> Iterable[Piece]:
        if request.host == FRONT and "latest" in request.path:
            policy = "default-src 'none'; " * 300
            yield b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            yield answer(301, b"x" * 5000, Location=f"https://{STORE}/{LONG}#part", Content_Security_Policy=policy)
        elif request.path == f"/{LONG}":
            yield b"HTTP/1.0 200 OK\nContent-type: text/plain\n\n" + good  # until the connection ends
        else:
            yield answer(200, Content_Length="", Transfer_Encoding="Chunked")
            yield b"1;name=value\r\n" + image[:1] + b"\r\n%X\r\n" % (len(image) - 1) + image[1:] + b"\r\n"
            yield b"0\r\nTrailer: x\r\n\r\n"

    with cycle(serve) as device:
        assert device.until(Event.CONFIRMED, Event.FAILED, Event.REFUSED).event is Event.CONFIRMED
    count_faults("fetching: answers that cannot be right", len(HEADS))


def test_redirects_end_after_five() -> None:
    with cycle(lambda _: [answer(307, Location="/again")]) as device:
        assert "redirects without end" in device.until().words and len(device.served) == 6


SLOW: dict[str, tuple[Callable[[], Iterator[Piece]], int]] = {
    "silence": (lambda: itertools.repeat(500), 31_000),
    "a head that drips": (lambda: _dripping(b"HTTP/1.1 200 OK\r\nX: "), 31_000),
    "a body that drips": (lambda: _dripping(answer(200, b"", Content_Length="8000")), 11_000),
    "a body that stalls": (
        lambda: itertools.chain([answer(200, b"{", Content_Length="9")], itertools.repeat(500)),
        11_000,
    ),
    "a redirect's body that drips": (
        lambda: _dripping(answer(302, Location="/x", Content_Length="4000")),
        11_000,
    ),
}


def _dripping(start: bytes) -> Iterator[Piece]:
    yield start
    while True:
        yield 20
        yield b"z"


@pytest.mark.parametrize("what", SLOW)
def test_a_server_that_takes_its_time_is_given_up(what: str) -> None:
    pieces, most_ms = SLOW[what]
    with cycle(lambda _: itertools.islice(pieces(), 20_000)) as device:
        found = device.until()
        assert found.words == "the server is too slow" and device.now_ms <= most_ms, (found, device.now_ms)


def test_connections_that_fail_are_told_by_name_and_tried_less_and_less_often() -> None:
    with cycle(site(), open_status=-6, tick_ms=1000) as device:
        times = []
        for _ in range(9):
            found = device.until()
            assert found.words == "the server's certificate is another host's"
            times.append(found.at_ms)
    waits = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert waits[:3] == sorted(waits[:3]) and RETRY_MS <= waits[0] <= RETRY_MS * 1.3
    assert waits[-1] >= INTERVAL_MS and waits[-1] <= INTERVAL_MS * 1.3


def test_a_server_whose_time_is_outside_of_its_certificate_is_refused() -> None:
    with cycle(site(), told_status=-7) as device:
        assert device.until(Event.FAILED).words == "a certificate of the server has expired"


# -- Entries -------------------------------------------------------------------------------------


def judge(data: bytes, image: bytes) -> Told:
    with cycle(Site(image, data)) as device:
        return device.until()


def test_no_byte_of_an_entry_can_be_changed_and_none_be_missing() -> None:
    image = model(900)
    good = entry(image)
    altered = [good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :] for at in range(len(good) - 1)]
    cut = [good[:count] for count in range(0, len(good) - 2, 7)]
    queue = iter([*altered, *cut])
    refused = 0

    def serve(request: Request) -> Iterable[Piece]:
        return [answer(200, next(queue))]

    with cycle(serve, tick_ms=INTERVAL_MS) as device:
        for _ in range(len(altered) + len(cut)):
            found = device.until()
            assert found.event is Event.FAILED and found.reason in (-208, -209), found
            refused += 1
    count_faults("fetching: entries altered or cut", refused)


def _signed(text: bytes, key: SigningKey = KEY) -> bytes:
    signature = {"keyid": key.public.key_id, "sig": key.sign(text).hex()}
    return b'{"signatures":%b,"signed":%b}\n' % (canonical_json([signature]), text)  # type: ignore[list-item]


IMAGE = model(900)
GOOD = canonical_json(fields(IMAGE))
SIGNED_BUT_WRONG: dict[str, tuple[bytes, str]] = {
    "spaces": (GOOD.replace(b",", b", "), "no signed entry"),
    "a key that is there twice": (GOOD.replace(b'{"board":', b'{"board":"desk","board":', 1), "no signed entry"),
    "keys in another order": (b'{"version":2,' + GOOD[1:].replace(b',"version":2', b""), "no signed entry"),
    "no object": (b"[]", "no signed entry"),
    "something behind it": (GOOD + b"{}", "no signed entry"),
    "no model": (canonical_json({k: v for k, v in fields(IMAGE).items() if k != "model"}), "no signed entry"),
    "no version": (canonical_json({k: v for k, v in fields(IMAGE).items() if k != "version"}), "no signed entry"),
    "a version that is text": (GOOD.replace(b'"version":2', b'"version":"2"'), "no signed entry"),
    "a version with a fraction": (GOOD.replace(b'"version":2', b'"version":2.0'), "no signed entry"),
    "a version of 2^32": (GOOD.replace(b'"version":2', b'"version":4294967296'), "no signed entry"),
    "a negative version": (GOOD.replace(b'"version":2', b'"version":-2'), "no signed entry"),
    "a version with zeros": (GOOD.replace(b'"version":2', b'"version":02'), "no signed entry"),
    "a digest of capitals": (GOOD.replace(CONTRACT.hex().encode(), CONTRACT.hex().upper().encode()), "no signed entry"),
    "a short digest": (GOOD.replace(CONTRACT.hex().encode(), CONTRACT.hex()[:62].encode()), "no signed entry"),
    "a name that climbs": (GOOD.replace(b'"model.bin"', b'"../model.bin"'), "no signed entry"),
    "a name with a query": (GOOD.replace(b'"model.bin"', b'"model.bin?x"'), "no signed entry"),
    "a tag that climbs": (GOOD.replace(b'"tag":"v2"', b'"tag":"v2/.."'), "no signed entry"),
    "a time that is none": (GOOD.replace(b'"expires":null', b'"expires":"2027-02-30T00:00:00Z"'), "no signed entry"),
    "a depth without an end": (b'{"a":' * 2000 + b"1" + b"}" * 2000, "no signed entry"),
    "another schema": (GOOD.replace(b"tinyops/entry/v1", b"tinyops/entry/v2"), "newer firmware"),
    "another project": (canonical_json(fields(IMAGE, project="others")), "another project's"),
    "another fleet": (canonical_json(fields(IMAGE, fleet="ankle")), "another fleet's"),
    "another board": (canonical_json(fields(IMAGE, board="pico")), "another board's"),
    "another contract": (canonical_json(fields(IMAGE, contract="00" * 32)), "another contract"),
    "an entry that has expired": (canonical_json(fields(IMAGE, expires="2020-01-01T00:00:00Z")), "has expired"),
}


@pytest.mark.parametrize("what", SIGNED_BUT_WRONG)
def test_an_entry_that_a_trusted_key_signed_may_be_wrong_all_the_same(what: str) -> None:
    text, words = SIGNED_BUT_WRONG[what]
    found = judge(_signed(text), IMAGE)
    assert found.event is Event.FAILED and words in found.words, found


def test_what_a_later_tinyops_adds_is_passed_over() -> None:
    more = fields(IMAGE) | {
        "zz": {"a": [1, -2.5e3, True, None, '\u00e9"\\'], "b": {}, "c": []},
        "expires": "2044-01-01T00:00:00Z",
    }
    assert judge(seal(more, [STRANGER, SPARE]).to_bytes(), IMAGE).event is Event.OFFER
    read_entry(seal(more, [SPARE]).to_bytes(), Trust.of([SPARE.public]), where="it")
    many = [SigningKey.generate() for _ in range(15)]
    assert judge(seal(more, [*many, KEY]).to_bytes(), IMAGE).event is Event.OFFER
    assert "no key" in judge(seal(more, [STRANGER]).to_bytes(), IMAGE).words
    forged = _signed(GOOD, KEY).replace(KEY.public.key_id.encode(), STRANGER.public.key_id.encode())
    assert "no key" in judge(forged, IMAGE).words
    count_faults("fetching: signed entries that are wrong", len(SIGNED_BUT_WRONG))


def test_versions_never_fall_whatever_is_reset() -> None:
    place = site(version=7)
    with cycle(place) as device:
        device.until(Event.CONFIRMED)
        older = site(version=6)
        place.image, place.entry = older.image, older.entry
        device.reboot()
        assert device.until(Event.FAILED).words == "the entry is older than one that was accepted"
        place.entry = entry(older.image, 8, security_counter=0)
        assert "counter is lower" in device.until(Event.FAILED).words


# -- Images --------------------------------------------------------------------------------------


def test_an_image_goes_on_where_it_stopped_however_often() -> None:
    image = model()
    cuts = 0

    def cut(request: Request, pieces: list[Piece]) -> Iterable[Piece]:
        nonlocal cuts
        if is_image(request) and cuts < 20:
            cuts += 1
            whole = pieces[0]
            assert isinstance(whole, bytes)
            return [whole[: whole.index(b"\r\n\r\n") + 304], LOST]
        return pieces

    with cycle(Site(image, entry(image), cut)) as device:
        assert device.until(Event.CONFIRMED, Event.FAILED, Event.REFUSED).event is Event.CONFIRMED
    resumed = [told.bytes for told in device.told if told.event is Event.RESUMES]
    assert resumed == [300 * (number + 1) for number in range(20)]
    links = [request.path for request in device.served if is_image(request)]
    assert len(set(links)) == len(links) == 21  # a link is never used twice: it may have expired
    count_faults("fetching: images cut and gone on", cuts)


def test_a_server_that_never_gives_more_is_given_up_and_the_image_goes_on_at_the_next_poll() -> None:
    image = model()
    gives = True

    def cut(request: Request, pieces: list[Piece]) -> Iterable[Piece]:
        if is_image(request) and not gives:
            return [answer(403)]
        whole = pieces[0]
        assert isinstance(whole, bytes)
        return [whole[:3000], LOST] if is_image(request) and "Range" not in request.headers else pieces

    place = Site(image, entry(image), cut)
    with cycle(place) as device:
        device.until(Event.RESUMES)
        gives = False
        found = device.until(Event.FAILED)
        assert found.status == 403 and found.bytes > 2000
        assert len([told for told in device.told if told.event is Event.RESUMES]) == 8
        gives = True
        offer = device.until(Event.OFFER)
        assert offer.bytes == found.bytes
        device.until(Event.CONFIRMED)


def part(image: bytes, first: int, last: str, total: object) -> bytes:
    return answer(206, image[first:], Content_Range=f"bytes {first}-{last}/{total}")


PARTS: dict[str, tuple[Callable[[bytes, int], bytes], bool]] = {
    "all of it": (lambda image, _: answer(200, image), True),
    "all of it, without a length": (lambda image, _: answer(200, image, Content_Length=""), True),
    "a part of unknown length": (lambda image, at: part(image, at, str(len(image) - 1), "*"), True),
    "the part before": (lambda image, at: part(image[:-1], at - 1, str(len(image) - 2), len(image)), False),
    "a part of something else": (lambda image, at: part(image, at, "9999", 10000), False),
    "a part without a range": (lambda image, at: answer(206, image[at:]), False),
    "a shorter part": (lambda image, at: part(image[:-1], at, str(len(image) - 1), len(image)), False),
    "no such part": (lambda image, _: answer(416, Content_Range=f"bytes */{len(image)}"), False),
    "a longer file": (lambda image, _: answer(200, image + b"x"), False),
    "a file without an end": (lambda image, _: answer(200, image + bytes(50_000), Content_Length=""), False),
}


@pytest.mark.parametrize("what", PARTS)
def test_what_a_server_may_give_in_place_of_the_rest(what: str) -> None:
    image = model()
    made, is_right = PARTS[what]

    def change(request: Request, pieces: list[Piece]) -> Iterable[Piece]:
        if not is_image(request):
            return pieces
        asked = request.headers.get("Range")
        whole = pieces[0]
        assert isinstance(whole, bytes)
        return [made(image, int(asked[6:-1]))] if asked else [whole[:4000], LOST]

    with cycle(Site(image, entry(image), change)) as device:
        found = device.until(Event.CONFIRMED, Event.FAILED)
        assert (found.event is Event.CONFIRMED) == is_right, found
        assert is_right or "longer or shorter" in found.words or found.status == 416, found


def test_images_that_the_slots_refuse_are_not_fetched_again() -> None:
    for image, words in (
        (model(key=STRANGER), "no key that this device trusts signed the image"),
        (model(board="pico"), "another board"),
        (b"<html>" * 100, "no image of a model"),
        (model(70_000), "larger than its slot"),
    ):
        with cycle(site(image)) as device:
            found = device.until(Event.REFUSED, Event.CONFIRMED, Event.FAILED)
            assert found.event is Event.REFUSED and words in found.words, found
            fetched = len(device.served)
            assert device.until().words == "the file was refused before"
            assert device.until().event is Event.UNCHANGED
            assert not any(is_image(request) for request in device.served[fetched:])


def test_only_the_file_that_the_entry_names_will_do() -> None:
    named, other = model(), model()
    place = Site(other, entry(named))
    with cycle(place) as device:
        for _ in range(3):
            assert device.until(Event.FAILED, Event.CONFIRMED).words == "the file is not the one that the entry names"
        assert device.until().words == "the file was refused before"


# -- Trials --------------------------------------------------------------------------------------


def test_a_model_that_does_badly_is_reverted_and_not_tried_again() -> None:
    with cycle(site(), verdict=-1) as device:
        found = device.until(Event.REFUSED)
        assert found.words == "the model did not pass its trial" and found.status == 3
        assert device.until().words == "the file was refused before"


def test_a_model_that_crashes_is_tried_three_times_and_a_good_one_after_it_once() -> None:
    place = site()
    with cycle(place, verdict=0) as device:
        for _ in range(3):
            device.until(Event.TRIAL)
            device.reboot()
        assert device.until(Event.TRIAL, Event.REFUSED).words == "the file was refused before"
        image = model()
        place.image, place.entry = image, entry(image, 3)
        device.verdict = 1
        device.until(Event.TRIAL)
        device.until(Event.CONFIRMED)


def test_without_keys_nothing_is_taken() -> None:
    with Cycle(site(), contract=CONTRACT, model=OLD) as device:
        assert device.until().words == "this device trusts no key: it was not enrolled"
