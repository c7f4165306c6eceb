"""Images, tables and archives of arrays: what is read, and what is refused."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from fakes.staged import SHARED
from tinyops.datasets.formats import FORMATS, format_named
from tinyops.datasets.recording import Leniency
from tinyops.errors import SpecError
from tinyops.specs.model import Signal

GREY = Signal(sensor="camera", channels=("i",), units=("level",), full_scale=(255,), size=(2, 3))
RGB = Signal(sensor="camera", channels=("r", "g", "b"), units=("1",) * 3, full_scale=(1, 1, 1), size=(2, 3))
STREAM = Signal(sensor="imu", channels=("ax", "ay"), units=("g", "g"), full_scale=(2, 2), rate_hz=10)
PIXELS = np.array([[0, 1, 2], [128, 254, 255]], np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read(data: bytes, signal: Signal = GREY, kind: str = "png", **leniency: object) -> np.ndarray:
    (found,) = FORMATS[kind](data, signal, f"x.{kind}", Leniency(**leniency))  # type: ignore[arg-type]
    return found.values


@pytest.mark.parametrize(("kind", "saver"), [("png", "PNG"), ("bmp", "BMP")])
def test_pixels_are_levels_row_by_row(kind: str, saver: str) -> None:
    assert read(saved(Image.fromarray(PIXELS), saver), kind=kind).tolist() == [PIXELS.ravel().tolist()]


def test_colours_follow_each_other_and_white_is_full_scale() -> None:
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 1] = (255, 0, 51)
    assert read(saved(Image.fromarray(colours)), RGB)[0, 3:6].tolist() == [1, 0, 0.2]
    assert read(saved(Image.fromarray(PIXELS)), RGB)[0, -3:].tolist() == [1, 1, 1]  # grey in every colour
    assert read(saved(Image.fromarray(colours)))[0, 1] == round(255 * 0.299 + 51 * 0.114)


def test_16_bits_a_pixel_keep_them() -> None:
    deep = Image.fromarray(PIXELS.astype(np.uint16) * 257 + 1)
    assert read(saved(deep))[0, 3] == pytest.approx((128 * 257 + 1) / 257, rel=1e-6)


def test_another_size_is_refused_or_scaled_when_the_spec_says_so() -> None:
    data = saved(Image.fromarray(np.full((20, 30), 7, np.uint8)))
    with pytest.raises(SpecError, match=r"20 x 30 pixels \(height x width\).* has 2 x 3\n.*adapt: \[size\]"):
        read(data)
    assert read(data, adapt=frozenset({"size"})).tolist() == [[7] * 6]


def test_a_photograph_is_turned_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to the right
    data = saved(Image.fromarray(np.rot90(PIXELS).copy()), exif=exif)
    assert read(data)[0].tolist() == PIXELS.ravel().tolist()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def frames() -> bytes:
    images = [Image.fromarray(PIXELS + n) for n in range(2)]
    return saved(images[0], save_all=True, append_images=images[1:])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bomb(10_000, 10_000), "10000 x 10000 pixels are more than 64,000,000"),
        (bomb(100_000, 100_000), "x.png: Image size .* exceeds limit"),
        (b"", "not a PNG image"),
        (saved(Image.fromarray(PIXELS), "BMP"), "not a PNG image"),
        (saved(Image.fromarray(PIXELS))[:50], "a damaged image"),
        (frames(), "holds several images"),
        (saved(Image.new("RGBA", (3, 2), (1, 2, 3, 4))), "has transparent pixels"),
    ],
)
def test_images_that_cannot_be_read_are_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read(data)


def test_an_opaque_alpha_channel_is_left_out() -> None:
    assert read(saved(Image.new("RGBA", (3, 2), (9, 9, 9, 255)))).tolist() == [[9] * 6]


def test_a_stream_takes_no_images_and_an_image_no_tables() -> None:
    with pytest.raises(SpecError, match="the dataset's signal is a stream"):
        read(saved(Image.fromarray(PIXELS)), STREAM)
    with pytest.raises(SpecError, match="a table holds no images"):
        read(table(ax=[1.0]), kind="parquet")


def test_real_images_are_read() -> None:
    folder = SHARED / "datasets" / "tflm_testdata"
    if not folder.is_dir():
        pytest.skip("the images are not in the shared data (TINYOPS_SHARED_DATA)")
    signal = GREY.model_copy(update={"size": (96, 96)})
    person = read((folder / "person.bmp").read_bytes(), signal, "bmp")
    assert person.shape == (1, 96 * 96)
    assert person.min() >= 0 and person.max() > 100
    photo = (folder / "person_det_mcunet.jpg").read_bytes()
    assert read(photo, signal, "jpg", adapt=frozenset({"size"})).shape == (1, 96 * 96)


# -- tables --------------------------------------------------------------------------------


def table(**columns: list[object]) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def test_a_parquet_table_gives_its_channels_in_the_signals_order() -> None:
    assert read(table(ay=[3, 4], ax=[1.0, 2.0]), STREAM, "parquet").tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_other_columns_are_refused_by_both_names_or_mapped(kind: str) -> None:
    csv = b"t,acc x,ay,label\n1,5,6,a\n2,7,8,b\n"
    data = csv if kind == "csv" else table(**{"t": [1, 2], "acc x": [5, 7], "ay": [6, 8], "label": ["a", "b"]})
    wanted = r"has the columns \['t', 'acc x', 'ay', 'label'\], wanted \['ax', 'ay'\]\n.*--columns ax=COLUMN"
    with pytest.raises(SpecError, match=wanted):
        read(data, STREAM, kind)
    assert read(data, STREAM, kind, columns={"ax": "acc x"}).tolist() == [[5, 6], [7, 8]]
    with pytest.raises(SpecError, match=r"wanted \['ax', 'acc z'\]"):
        read(data, STREAM, kind, columns={"ay": "acc z"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1", "not a Parquet file"),
        (table(ax=["a"], ay=[1]), "column ax holds string, not numbers"),
        (table(ax=[], ay=[]), "column ax holds|holds no frames"),
        (table(ax=[1.0], ay=[2.0])[:-9], "not a Parquet file"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read(data, STREAM, "parquet")


# -- arrays --------------------------------------------------------------------------------


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def test_an_archive_of_one_array_or_the_one_called_values() -> None:
    array = np.array([[1, 2], [3, 4]])
    assert read(npz(x=array), STREAM, "npz").tolist() == array.tolist()
    assert read(npz(time=np.zeros(2), values=array), STREAM, "npz").tolist() == array.tolist()
    with pytest.raises(SpecError, match=r"holds 2 arrays: a, b\n.*'values'"):
        read(npz(a=array, b=array), STREAM, "npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyops.datasets.formats.npy_format.ARRAY_LIMIT_BYTES", 1000)
    with pytest.raises(SpecError, match="unpacks to 1,728 bytes, more than 1,000"):
        read(npz(x=np.zeros((100, 2))), STREAM, "npz")
    lying = bytearray(npz(x=np.zeros((100, 2))))
    at = lying.find(b"PK\x01\x02")
    lying[at + 24 : at + 28] = struct.pack("<I", 10)  # the length that its directory declares
    with pytest.raises(SpecError, match=r"damaged archive|unpacks to more|truncated|not an .npy"):
        read(bytes(lying), STREAM, "npz")


def truncated(rows: int = 10, drop: int = 3) -> bytes:
    out = io.BytesIO()
    np.save(out, np.arange(rows * 2, dtype=np.int16).reshape(rows, 2))
    return out.getvalue()[:-drop]


def test_a_truncated_array_is_refused_or_repaired_to_whole_rows() -> None:
    with pytest.raises(SpecError, match=r"x.npy: truncated: 9 of 10 frames are there\n.*data add --repair"):
        read(truncated(), STREAM, "npy")
    said: list[str] = []
    found = read(truncated(), STREAM, "npy", repair=True, say=said.append)
    assert found.tolist() == np.arange(18).reshape(9, 2).tolist()
    assert said == ["x.npy: truncated: 9 of 10 frames are there; those are kept"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("x.npy", truncated())
    with pytest.raises(SpecError, match=r"x\.npz: x\.npy: truncated: 9 of 10"):
        read(archive.getvalue(), STREAM, "npz")


def test_an_array_that_promises_much_and_holds_nothing_is_refused() -> None:
    for shape in ((10**9, 2), (2**62, 2**62), (5, 0)):
        out = io.BytesIO()
        np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
        with pytest.raises(SpecError, match=r"truncated: 0 of|has the shape"):
            read(out.getvalue(), STREAM, "npy", repair=True)


def test_arrays_by_columns_are_read_as_numpy_reads_them() -> None:
    out = io.BytesIO()
    np.save(out, np.asfortranarray(np.arange(6).reshape(3, 2)))
    assert read(out.getvalue(), STREAM, "npy").tolist() == [[0, 1], [2, 3], [4, 5]]


def test_the_18_truncated_files_of_real_data_are_named_and_the_rest_read() -> None:
    folder = SHARED / "datasets" / "imu_exercises"
    if not folder.is_dir():
        pytest.skip("the exercises are not in the shared data (TINYOPS_SHARED_DATA)")
    signal = Signal(
        sensor="accelerometer", channels=("x", "y", "z"), units=("1",) * 3, full_scale=(32768,) * 3, rate_hz=100
    )
    refused = 0
    for path in sorted(folder.rglob("*.npy")):
        data = path.read_bytes()
        try:
            list(FORMATS["npy"](data, signal, path.name))
        except SpecError as error:
            assert f"{path.name}: truncated: " in error.message
            refused += 1
            (found,) = FORMATS["npy"](data, signal, path.name, Leniency(repair=True))
            assert 0 < len(found.values) < 1000
    assert refused == 18


def test_a_format_that_nothing_reads_is_refused_by_name() -> None:
    assert format_named("wav", "x") is FORMATS["wav"]
    with pytest.raises(SpecError, match=r"a.flac: 'flac' is no format that can be read\n.*wav"):
        format_named("flac", "a.flac")
