"""The collector's C over a scripted port: every frame of the sensor arrives, or is counted as missed where it was."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tinyops.link import Decoder, Frame, Status, Type, encode
from tinyops.link.protocol import APPLICATION, COLLECTOR, DATA_MAX, REPLIES, REPLY, REQUESTS

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-I", str(RUNTIME / "include")]
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SOURCES = [*sorted((RUNTIME / "collect").glob("*.c")), RUNTIME / "app/frame.c", RUNTIME / "app/kept.c"]
FAST, LINE_1_MBAUD, LINE_115200 = 0, 100_000, 11_520  # bytes a second
M0 = ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-ffreestanding", "-Os"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("collect") / "run_collect"
    sources = [ROOT / "tests/runtime/run_collect.c", *SOURCES]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *sources, "-o", path], check=True, timeout=120)
    return path


@dataclass
class Said:
    """What a collector said: its answers by type, its SAMPLES put together."""

    answers: list[Frame] = field(default_factory=list)
    samples: list[tuple[int, int, int, int, list[int]]] = field(default_factory=list)  # take, frame, value, ms, values
    sequences: list[int] = field(default_factory=list)

    def answer(self, kind: Type) -> tuple[int | bytes, ...]:
        found = [f for f in self.answers if f.type == kind | REPLY]
        return REPLIES[kind].unpack(found[-1].payload)[0]

    def errors(self) -> list[tuple[int, Status]]:
        return [(f.sequence, Status(int.from_bytes(f.payload, signed=True))) for f in self.answers if f.type == 0xFF]

    def frames(self, size: int) -> dict[int, list[int]]:
        """Whole frames by their numbers; every piece of one must have come."""
        found: dict[int, list[int]] = {}
        for _, number, at, _, values in self.samples:
            if len(values) > size or at or len(values) < size:
                assert at == 0 or len(found[number]) == at, "a piece is missing"
            if at:
                found[number] += values
                continue
            for i in range(0, len(values), size):
                assert number + i // size not in found, "a frame came twice"
                found[number + i // size] = values[i : i + size]
        return found


def ask(kind: Type, *values: int, sequence: int = 1) -> str:
    return f"send {encode(Frame(kind, sequence, REQUESTS[kind].pack(*values))).hex()}"


def play(program: Path, script: Sequence[str], *, size: int, keeps: int = 16, rate: int = 0, line: int = FAST) -> Said:
    done = subprocess.run(
        [program, str(size), str(keeps), str(rate), str(line)],
        input="\n".join(script).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:3000]
    decoder, said = Decoder(), Said()
    for frame in decoder.feed(done.stdout):
        if frame.type != Type.SAMPLES:
            said.answers.append(frame)
            continue
        (take, number, at, ms), tail = REPLIES[Type.SAMPLES].unpack(frame.payload)
        values = [int.from_bytes(tail[i : i + 2], "little", signed=True) for i in range(0, len(tail), 2)]
        assert len(tail) <= DATA_MAX and values
        said.samples.append((int(take), int(number), int(at), int(ms), values))
        said.sequences.append(frame.sequence)
    assert decoder.bad_frames == 0
    return said


def count(value: int) -> int:
    return (value + 0x8000) % 0x10000 - 0x8000


def check_values(frames: dict[int, list[int]], size: int) -> None:
    for number, values in frames.items():
        assert values == [count(number * 7 + i) for i in range(size)]


TAKE = (ask(Type.COLLECT_START, 3, 0, sequence=9), "run 10000", ask(Type.COLLECT_STOP, sequence=10))


@pytest.mark.parametrize(
    ("size", "rate", "line"),
    [(6, 400_000, LINE_1_MBAUD), (1, 16_000_000, LINE_1_MBAUD), (3, 100_000, LINE_115200), (128, 50_000, LINE_1_MBAUD)],
)
def test_what_fits_the_line_arrives_whole(program: Path, size: int, rate: int, line: int) -> None:
    said = play(program, TAKE, size=size, keeps=64, rate=rate, line=line)
    frames, missed = said.answer(Type.COLLECT_STOP)
    found = said.frames(size)
    assert missed == 0 and frames == len(found) >= rate // 100 - 64
    assert sorted(found) == list(range(len(found)))
    check_values(found, size)
    assert {take for take, *_ in said.samples} == {3}
    assert said.sequences == [i % 256 for i in range(len(said.sequences))]


def test_frames_go_out_together_and_wait_no_longer_than_a_moment(program: Path) -> None:
    said = play(program, TAKE, size=6, rate=10_000)  # one each 100 ms: none waits for the next
    clocks = [ms for *_, ms, _ in said.samples]
    assert all(len(values) == 6 for *_, values in said.samples) and len(clocks) == 99
    assert {b - a for a, b in pairwise(clocks)} <= {99, 100, 101}
    said = play(program, TAKE, size=6, rate=1_000_000, keeps=64)
    assert {len(values) for *_, values in said.samples[:-1]} == {21 * 6}, "as many as have room"


def test_without_a_clock_nothing_waits(program: Path) -> None:
    said = play(program, ["no-clock", *TAKE], size=6, rate=10_000)
    assert len(said.samples) == said.answer(Type.COLLECT_STOP)[0]
    assert {ms for *_, ms, _ in said.samples} == {0}


def test_a_line_that_is_too_slow_shows_as_missed_frames_where_they_are(program: Path) -> None:
    said = play(program, TAKE, size=6, rate=2_000_000, line=LINE_115200)
    frames, missed = said.answer(Type.COLLECT_STOP)
    found = said.frames(6)
    check_values(found, 6)  # a value tells its frame's number: no gap is anywhere else
    assert missed > 0 and frames == len(found) + missed
    gaps = max(found) + 1 - len(found)
    assert gaps == missed, "every lost frame lies in a gap of the numbers"
    assert frames == pytest.approx(20_000, rel=0.01)
    assert all(len(values) % 6 == 0 for *_, values in said.samples)


def test_a_gap_splits_what_would_go_together(program: Path) -> None:
    script = [TAKE[0], "run 25", "skip 5", "run 25", TAKE[2]]
    said = play(program, script, size=6, rate=400_000)
    found = said.frames(6)
    check_values(found, 6)
    missing = [n for n in range(max(found)) if n not in found]
    assert len(missing) == 5 and missing[-1] - missing[0] == 4 and missing[0] > 0
    assert said.answer(Type.COLLECT_STOP) == (len(found) + 5, 5)


PICTURE = 120 * 160


def test_large_frames_come_in_pieces_of_one_clock(program: Path) -> None:
    said = play(program, [TAKE[0], "run 3700", TAKE[2]], size=PICTURE, keeps=1, rate=1_000, line=LINE_1_MBAUD)
    found = said.frames(PICTURE)
    assert sorted(found) == [0, 1, 2]
    check_values(found, PICTURE)
    by_frame = {n: {ms for _, number, _, ms, _ in said.samples if number == n} for n in found}
    assert all(len(clocks) == 1 for clocks in by_frame.values())
    assert {len(values) for *_, values in said.samples} == {128}


def test_large_frames_on_a_slow_line_are_missed_whole(program: Path) -> None:
    said = play(program, [TAKE[0], "run 30000", TAKE[2]], size=PICTURE, keeps=1, rate=1_000, line=LINE_115200)
    frames, missed = said.answer(Type.COLLECT_STOP)
    assert 26 <= frames <= 30 and missed >= 15
    whole = {n for n, values in _cut(said.samples).items() if len(values) == PICTURE}
    assert len(whole) == frames - missed


def _cut(samples: Sequence[tuple[int, int, int, int, list[int]]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for _, number, _, _, values in samples:
        found.setdefault(number, []).extend(values)
    return found


def test_stopped_within_a_picture_that_picture_is_missed_and_the_answer_comes_at_once(program: Path) -> None:
    said = play(
        program, [TAKE[0], "run 1100", TAKE[2], "run 2000"], size=PICTURE, keeps=1, rate=1_000, line=LINE_1_MBAUD
    )
    assert said.answer(Type.COLLECT_STOP) == (1, 1)
    assert 0 < len(_cut(said.samples)[0]) < PICTURE
    assert said.answers[-1].type == Type.COLLECT_STOP | REPLY


def test_stop_can_be_asked_again_and_a_second_start_begins_anew(program: Path) -> None:
    again = ask(Type.COLLECT_START, 4, 200_000, sequence=11)
    script = [*TAKE[:2], "skip 3", "run 100", TAKE[2], "run 500", TAKE[2], again, "run 1000", TAKE[2]]
    said = play(program, script, size=6, rate=100_000)
    stops = [REPLIES[Type.COLLECT_STOP].unpack(f.payload)[0] for f in said.answers if f.type == 0x8B]
    assert stops[0] == stops[1] and stops[0][1] == 3
    assert stops[2][1] == 0, "what an earlier take lost is not this one's"
    second = [s for s in said.samples if s[0] == 4]
    assert second[0][1] == 0 and said.answer(Type.COLLECT_START) == (200_000, 6)
    assert stops[2][0] == sum(len(values) for *_, values in second) // 6 == pytest.approx(200, abs=2)


def test_a_start_in_a_take_forgets_what_waits(program: Path) -> None:
    script = [TAKE[0], "run 40", ask(Type.COLLECT_START, 4, 0), "run 100", TAKE[2]]
    said = play(program, script, size=6, rate=100_000)
    assert [take for take, *_ in said.samples] == [4] * len(said.samples) and said.samples[0][1] == 0


def test_reset_forgets_a_take(program: Path) -> None:
    said = play(program, [TAKE[0], "run 40", ask(Type.RESET_STATE), "run 500"], size=6, rate=100_000)
    assert not said.samples and [f.type for f in said.answers] == [0x8A, 0x87]


def test_a_board_without_a_sensor_says_so(program: Path) -> None:
    said = play(program, [TAKE[0], "run 100", TAKE[2]], size=6)
    assert said.errors() == [(9, Status.NO_SENSOR)] and not said.samples
    assert said.answer(Type.COLLECT_STOP) == (0, 0)


def test_a_sensor_that_does_not_start_says_so(program: Path) -> None:
    said = play(program, ["deaf", TAKE[0], "run 100"], size=6, rate=1000)
    assert said.errors() == [(9, Status.SENSOR)] and not said.samples


def test_a_sensor_that_fails_ends_its_take_and_what_came_is_kept(program: Path) -> None:
    script = [TAKE[0], "run 1030", "fail", "run 100", TAKE[2]]
    said = play(program, script, size=6, rate=100_000)
    assert said.errors() == [(9, Status.SENSOR)]
    assert said.answer(Type.COLLECT_STOP)[0] == len(said.frames(6)) == pytest.approx(103, abs=2)


def test_hello_tells_the_signal_and_no_model(program: Path) -> None:
    said = play(program, [ask(Type.HELLO), ask(Type.STATS)], size=6, rate=1000)
    names = [f.name for f in REPLIES[Type.HELLO].fields]
    values, name = REPLIES[Type.HELLO].unpack(said.answers[0].payload)
    hello = dict(zip(names, values, strict=True))
    assert name == b"desk" and hello["contract"] == bytes([1, 2, 3] + [0] * 29)
    assert hello["state"] == Status.ABSENT and hello["frame_values"] == 6 and hello["image_bytes"] == 0
    assert said.answer(Type.STATS)[:3] == (1, 2, 3)


@pytest.mark.parametrize("kind", sorted(APPLICATION - COLLECTOR))
def test_what_only_an_application_does_is_refused(program: Path, kind: Type) -> None:
    said = play(program, [f"send {encode(Frame(kind, 5, b'')).hex()}"], size=6, rate=1000)
    assert said.errors() == [(5, Status.TYPE)]


@pytest.mark.parametrize("kind", sorted(COLLECTOR))
def test_a_request_of_the_wrong_length_is_refused(program: Path, kind: Type) -> None:
    right = REQUESTS[kind].size
    lengths = [n for n in (0, 1, right - 1, right + 1, 200) if n >= 0 and n != right]
    said = play(program, [f"send {encode(Frame(kind, 5, bytes(n))).hex()}" for n in lengths], size=6, rate=1000)
    assert said.errors() == [(5, Status.REQUEST)] * len(lengths)


def test_noise_and_half_frames_disturb_nothing(program: Path) -> None:
    whole = encode(Frame(Type.HELLO, 2, b""))
    script = [f"send {(bytes(range(256)) * 3).hex()}", f"send {whole[:4].hex()}", f"send {whole[2:].hex()}"]
    said = play(program, [*script, ask(Type.HELLO, sequence=3)], size=6, rate=1000)
    assert said.answers[-1].sequence == 3 and said.answers[-1].type == Type.HELLO | REPLY


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_harm_it(program: Path, seed: int) -> None:
    """Requests in any order with any payload, some damaged on their way, between noise."""
    chance, script = random.Random(seed), []  # noqa: S311  repeatable
    for _ in range(300):
        kind = chance.choice([*REQUESTS, chance.randrange(256)])
        line = bytearray(encode(Frame(kind, chance.randrange(256), chance.randbytes(chance.choice([0, 5, 5, 5, 271])))))
        if chance.random() < 0.3:
            line[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
        line[:0] = chance.randbytes(chance.choice([0, 0, 3, 40]))
        script += [f"send {line.hex()}", f"run {chance.choice([0, 1, 30])}", f"skip {chance.choice([0, 0, 7])}"]
    last = ["send 0000", ask(Type.COLLECT_START, 1, 0, sequence=77), "run 200", ask(Type.COLLECT_STOP, sequence=78)]
    said = play(program, [*script, *last], size=6, rate=400_000, line=LINE_1_MBAUD)
    assert [f.sequence for f in said.answers if f.type in (0x8A, 0x8B)][-2:] == [77, 78]
    assert said.answer(Type.COLLECT_STOP)[0] == pytest.approx(80, abs=3)


def test_numbers_wrap_without_a_gap(program: Path, tmp_path: Path) -> None:
    """2^32 frames are a week of 8 kHz: a take begun near the end of the numbers runs on over it."""
    before = (RUNTIME / "collect/frames.c").read_text()
    assert before.count("self->taken = 0;") == 1
    changed = tmp_path / "frames.c"
    changed.write_text(before.replace("self->taken = 0;", "self->taken = 0xfffffff0u;"))
    sources = [ROOT / "tests/runtime/run_collect.c", changed, *[s for s in SOURCES if s.name != "frames.c"]]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *sources, "-o", tmp_path / "wraps"], check=True, timeout=120)
    said = play(tmp_path / "wraps", [TAKE[0], "run 2000", "skip 2", "run 500", TAKE[2]], size=6, rate=100_000)
    numbers = [(n - 0xFFFFFFF0) % 2**32 for n in said.frames(6)]
    assert numbers == sorted(numbers) and numbers[0] == 0
    assert numbers[-1] + 1 - len(numbers) == 2, "the two that were lost"
    assert {n >> 31 for _, n, _, _, _ in said.samples} == {0, 1}, "before and after"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_it_compiles_for_the_smallest_core(source: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*M0, *STRICT, "-c", source, "-o", tmp_path / "o"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
