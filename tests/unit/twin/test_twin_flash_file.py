"""The file of a virtual board's flash: what a cable writes, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.boards.layout import Flash
from tinyops.errors import SpecError, ToolError
from tinyops.link import Hello
from tinyops.twin.feeding import read_food
from tinyops.twin.flash import FLASH, flash_file, programs_allowed

FACTS = Flash(
    origin=0x100, bytes=64, erase_bytes=16, program_bytes=4, reprogram="never", during_write="stall", erase_ms=1
)
HELLO = Hello(1, 0, 1, b"", b"", 0, 0, 0, 0, 8, 4, 2, 4, 2, "b")


def test_whole_sectors_are_erased_before_they_are_written() -> None:
    with flash_file([FACTS], None, {0x112: b"ab", 0x130: b"c"}) as path:
        found = path.read_bytes()
    assert found == b"\xff" * 18 + b"ab" + b"\xff" * 28 + b"c" + b"\xff" * 15
    assert not path.exists()


def test_a_folder_keeps_what_the_board_wrote_until_something_else_is_flashed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with flash_file([FACTS], state, {0x100: b"v1"}) as path:
        held = bytearray(path.read_bytes())
        held[0:1], held[40:43] = b"V", b"own"
        path.write_bytes(held)
    with flash_file([FACTS], state, {0x100: b"v1"}) as path:
        assert path.read_bytes() == held
    with flash_file([FACTS], state, {0x100: b"v2"}) as path:
        assert path.read_bytes() == b"v2" + b"\xff" * 14 + held[16:]


@pytest.mark.parametrize(("address", "size"), [(0xFF, 1), (0x13F, 2), (0x140, 1)])
def test_what_lies_outside_is_refused(address: int, size: int) -> None:
    with pytest.raises(ToolError, match="outside of the flash"), flash_file([FACTS], None, {address: b"x" * size}):
        pass


def test_a_folder_of_another_flash_is_refused(tmp_path: Path) -> None:
    (tmp_path / FLASH).write_bytes(b"x" * 65)
    with pytest.raises((ToolError, SpecError)), flash_file([FACTS], tmp_path, {}):
        pass


def test_never_means_once() -> None:
    assert programs_allowed(FACTS) == 1
    assert programs_allowed(FACTS.model_copy(update={"reprogram": 3})) == 3


def test_frames_come_from_tables_with_or_without_a_head(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("ax,ay\n1,-2\n32767,-32768\n")
    assert read_food(path, HELLO).frames == ((1, -2), (32767, -32768))


@pytest.mark.parametrize("row", ["1", "1,2,3", "1,x", "1,32768", "1,2.5", "", "1,\x00"])
def test_a_bad_row_is_named_by_file_and_line(row: str, tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text(f"1,2\n{row}\n3,4\n")
    with pytest.raises(SpecError, match=r"walk\.csv:2: not"):
        read_food(path, HELLO)


def test_arrays_are_frames_or_tensors_by_their_type(tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "f.npy", np.array([[1, 2], [3, 4]], np.int16))
    assert read_food(tmp_path / "f.npy", HELLO).frames == ((1, 2), (3, 4))
    np.savez(tmp_path / "t.npz", x=np.full((2, 8), -1, np.int8))
    assert read_food(tmp_path / "t.npz", HELLO).tensors == (b"\xff" * 8, b"\xff" * 8)
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SpecError, match="not an array"):
        read_food(tmp_path / "o.npy", HELLO)
