"""The file formats of recordings: what is read, and what is refused by name and line."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.datasets.formats import FORMATS, gunzip, read_csv, read_npy
from tinyops.datasets.formats.ts_format import read_ts
from tinyops.errors import SpecError
from tinyops.specs.model import Signal

STREAM = Signal(sensor="imu", channels=("ax", "ay"), units=("g", "g"), full_scale=(2, 2), rate_hz=10)
IMAGE = Signal(sensor="camera", channels=("i",), units=("level",), full_scale=(16,), size=(2, 3))
TS_HEAD = "# made up\n@problemName x\n@timeStamps false\n@missing false\n@univariate false\n@dimensions 2\n"
TS = TS_HEAD + "@equalLength true\n@seriesLength 3\n@classLabel true rest walk\n@data\n"


def ts(lines: str, head: str = TS) -> list[tuple[str, list[list[float]]]]:
    return [(item.label, item.values.tolist()) for item in read_ts((head + lines).encode(), STREAM, "x.ts")]


def test_ts_gives_frames_by_channels() -> None:
    found = ts("1,2,3:4,5,6:walk\n\n-1,0,1e1:0,0,0:rest\n")
    assert found == [("walk", [[1, 4], [2, 5], [3, 6]]), ("rest", [[-1, 0], [0, 0], [10, 0]])]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,2,3:walk\n", "x.ts:11: has 1 channels, @dimensions says 2"),
        ("1,2,3:4,5,6:run\n", "x.ts:11: the label 'run' is not in @classLabel"),
        ("1,2,3:4,5:walk\n", r"x.ts:11: its channels have \[2, 3\] samples, wanted 3"),
        ("1,2:4,5:walk\n", r"x.ts:11: its channels have \[2\] samples, wanted 3"),
        ("1,2,?:4,5,6:walk\n", "x.ts:11: could not convert"),
    ],
)
def test_ts_lines_that_are_wrong_are_named(lines: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ts(lines)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@dimensions 2", "@dimensions 3", "@dimensions is 3, the dataset's signal has 2 channels"),
        ("@dimensions 2\n", "", "@dimensions is missing"),
        ("@timeStamps false", "@timeStamps true", "@timestamps is true"),
        ("@missing false", "@missing true", "@missing is true"),
        ("@classLabel true rest walk", "@classLabel false", "has no class labels"),
        ("@data", "@nothing", "wanted a line that begins with @"),
        ("@equalLength true", "equalLength", "x.ts:7: wanted a line that begins with @"),
    ],
)
def test_ts_headers_that_do_not_suit_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ts("1,2,3:4,5,6:walk\n", TS.replace(old, new))


def test_ts_without_data_is_refused() -> None:
    with pytest.raises(SpecError, match="no @data"):
        ts("", TS_HEAD)


def test_csv_stream_takes_columns_by_name() -> None:
    (found,) = read_csv(b"ay,ax\n1,2\n3,4\n", STREAM, "x.csv")
    assert found.values.tolist() == [[2, 1], [4, 3]]
    (found,) = read_csv(b"1,2\r\n3,4", STREAM, "x.csv")
    assert found.values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ax,az\n1,2\n", r"x.csv:1: has the columns \['ax', 'az'\], wanted \['ax', 'ay'\]"),
        (b"1,2\n3\n", "x.csv:2: has 1 channels"),
        (b"1,2\n3,x\n", "x.csv:2: 'x' is not a number"),
        (b"ax,ay\n", "holds no frames"),
        (b" \n", "holds no rows"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_csv_streams_that_are_wrong_are_named(data: bytes, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        list(read_csv(data, STREAM, "x.csv"))


def test_csv_of_images_has_one_a_row_and_the_class_last() -> None:
    found = list(read_csv(b"1,2,3,4,5,6,seven\n0,0,0,0,0,1,one\n", IMAGE, "x.csv"))
    assert [(f.label, f.line, f.values.tolist()) for f in found] == [
        ("seven", 1, [[1, 2, 3, 4, 5, 6]]),
        ("one", 2, [[0, 0, 0, 0, 0, 1]]),
    ]


def test_csv_of_one_image_has_its_rows() -> None:
    (found,) = read_csv(b"1,2,3\n4,5,6\n", IMAGE, "x.csv")
    assert (found.label, found.values.tolist()) == ("", [[1, 2, 3, 4, 5, 6]])


def test_csv_of_images_with_the_wrong_size_is_refused() -> None:
    with pytest.raises(SpecError, match=r"x.csv:1: has 5 columns, wanted 6 values"):
        list(read_csv(b"1,2,3,4,b\n", IMAGE, "x.csv"))


def test_gzip_is_unpacked_within_a_limit() -> None:
    packed = gzip.compress(b"0" * 100_000)
    assert gunzip(packed, "x", limit_bytes=100_000) == b"0" * 100_000
    with pytest.raises(SpecError, match="unpacks to more than 99,999 bytes"):
        gunzip(packed, "x", limit_bytes=99_999)


@pytest.mark.parametrize("cut", [5, -1, -9])
def test_damaged_gzip_is_refused(cut: int) -> None:
    with pytest.raises(SpecError, match="damaged gzip"):
        gunzip(gzip.compress(b"1,2\n" * 100)[:cut], "x.csv.gz")


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_npy_takes_streams_and_images() -> None:
    (found,) = read_npy(npy(np.arange(6, dtype=np.int8).reshape(3, 2)), STREAM, "x.npy")
    assert found.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    for shape in ((2, 3), (2, 3, 1)):
        (found,) = read_npy(npy(np.arange(6.0).reshape(shape)), IMAGE, "x.npy")
        assert found.values.tolist() == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.zeros((3, 4))), r"has the shape \[3, 4\], the dataset's signal wants \[3, 2\]"),
        (npy(np.zeros((0, 2))), r"has the shape \[0, 2\]"),
        (npy(np.zeros(())), r"has the shape \[\]"),
        (npy(np.array(["a"])), "holds <U1, not numbers"),
        (npy(np.array([{}])), "holds object, not numbers"),
        (b"junk", "not an .npy file"),
    ],
)
def test_npy_that_does_not_suit_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        list(read_npy(data, STREAM, "x.npy"))


@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    for signal in (STREAM, IMAGE):
        try:
            for item in FORMATS[name](data, signal, "x"):
                assert item.values.shape[1] == signal.frame_values
        except SpecError:
            pass
