"""Boards that extend others: what is merged, what is not, and where a fault is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinyops.boards import catalog_folder, load_catalog
from tinyops.boards.extending import DEPTH_LIMIT, merged
from tinyops.errors import Problem, SpecError

HEAD = "apiVersion: tinyops/v1\nkind: Board\nmetadata: {{name: {name}}}\nextends: {base}\nspec:\n"


def write(folder: Path, name: str, base: str, spec: str) -> Path:
    """A board in five lines of head; its spec begins in line 6."""
    (folder / f"{name}.yaml").write_text(HEAD.format(name=name, base=base) + spec)
    return folder


def problems(folder: Path) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load_catalog(folder)
    return list(caught.value.problems)


def test_mappings_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    spec = (
        "  title: My wrist\n"
        "  layout: {arena_bytes: 65536}\n"
        "  sensors:\n"
        "    - {name: pulse, kind: pulse, channels: [hr], units: [bpm], rates_hz: [1], ranges: [250]}\n"
    )
    catalog = load_catalog(write(tmp_path, "wrist", "nano33ble", spec))
    base, mine = catalog["nano33ble"].spec, catalog["wrist"].spec
    assert base.layout is not None and mine.layout is not None
    assert mine.layout == base.layout.model_copy(update={"arena_bytes": 65536})
    assert [sensor.name for sensor in mine.sensors] == ["pulse"]
    assert (mine.title, mine.memory, mine.twin, mine.pins) == (
        "My wrist",
        base.memory,
        base.twin,
        base.pins,
    )
    assert catalog["wrist"].extends == "nano33ble"
    assert catalog["wrist"].digest != catalog["nano33ble"].digest


def test_the_base_is_left_as_it_was(tmp_path: Path) -> None:
    before = load_catalog()["linux"]
    catalog = load_catalog(write(tmp_path, "box", "linux", "  title: Box\n"))
    assert catalog["linux"] == before
    assert before.spec.silicon.run and not catalog["box"].spec.silicon.run, "that another board ran proves nothing"
    assert "never run" in catalog["box"].spec.silicon.note


def test_a_chain_is_followed_to_its_end(tmp_path: Path) -> None:
    write(tmp_path, "b", "a", "  title: B\n  clock_hz: 2\n")
    write(tmp_path, "a", "microbit", "  title: A\n  clock_hz: 1\n  stream: false\n")
    catalog = load_catalog(tmp_path)
    found = catalog["b"].spec
    assert (found.title, found.clock_hz, found.stream) == ("B", 2, False)
    assert found.memory == catalog["microbit"].spec.memory


def test_null_takes_a_part_away(tmp_path: Path) -> None:
    catalog = load_catalog(write(tmp_path, "bare", "nano33ble", "  title: Bare\n  arduino: null\n"))
    assert catalog["bare"].spec.frameworks == ("bare-metal",)
    assert catalog["nano33ble"].spec.frameworks == ("bare-metal", "arduino")


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("  title: 5\n", (6, 10), "spec.title: must be text, not 5"),
        ("  titel: X\n", (6, 3), 'unknown field "titel"'),
        ("  layout: {arena_bytes: 999424}\n", (6, 25), "arena and stack together are larger than RAM"),
        ("  title: X\n  layout:\n    settings: {origin: 0xa0000, bytes: 8192}\n", (8, 15), "overlap at 0xa0000"),
        # What no longer fits is inherited: shown at the mapping that both share.
        ("  memory: {ram: {origin: 0x20000000, bytes: 4096}}\n", (6, 3), "arena and stack together"),
        ("  mcu: nRF52480X\n  cpu: cortex-m7\n", (7, 8), "a nRF52480X has no cortex-m7"),
        ("  {}\n", (6, 3), "changes nothing of nano33ble"),
        ("  silicon: {ran: true}\n", (6, 13), 'unknown field "ran"'),
    ],
)
def test_a_fault_is_shown_in_the_file_that_extends(
    tmp_path: Path, spec: str, place: tuple[int, int], message: str
) -> None:
    found = problems(write(tmp_path, "mine", "nano33ble", spec))
    assert {Path(p.file).name for p in found} == {"mine.yaml"}
    (problem,) = [p for p in found if message in p.message] or pytest.fail(f"{message!r} not in {found}")
    assert (problem.line, problem.column) == place, problem


@pytest.mark.parametrize(
    ("base", "message", "hint"),
    [
        ("nano33bel", "extends: no board 'nano33bel' in the catalogue", "did you mean nano33ble?"),
        ("mine", "boards extend each other in a circle: mine -> mine", "let one of them stand alone"),
        ("[a]", "extends: must be text", ""),
    ],
)
def test_a_base_that_cannot_be_is_refused_at_its_place(tmp_path: Path, base: str, message: str, hint: str) -> None:
    problem = problems(write(tmp_path, "mine", base, "  title: Mine\n"))[0]
    assert message in problem.message
    assert hint in problem.hint
    assert (problem.line, problem.column) == (4, 10)


def test_a_circle_names_every_board_in_it(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        write(tmp_path, name, base, "  title: X\n")
    messages = sorted(p.message for p in problems(tmp_path))
    assert messages[0].endswith("in a circle: a -> b -> c -> a")
    assert len(messages) == 3


def test_a_broken_base_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: [\n")
    write(tmp_path, "b", "a", "  title: B\n")
    assert {Path(p.file).name for p in problems(tmp_path)} == {"a.yaml"}


def test_a_row_of_boards_is_bounded(tmp_path: Path) -> None:
    before = "microbit"
    for number in range(DEPTH_LIMIT + 1):
        write(tmp_path, f"b{number}", before, f"  clock_hz: {number + 1}\n")
        before = f"b{number}"
    (problem,) = problems(tmp_path)
    assert Path(problem.file).name == f"b{DEPTH_LIMIT}.yaml"
    assert "extend each other in a row" in problem.message


def test_a_shipped_board_cannot_be_replaced_but_extended(tmp_path: Path) -> None:
    (tmp_path / "pico.yaml").write_text((catalog_folder() / "pico.yaml").read_text())
    (problem,) = problems(tmp_path)
    assert "board 'pico' exists already" in problem.message
    assert "let it say extends: pico" in problem.hint


def test_merging_changes_neither_side() -> None:
    base, over = {"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2]}, "e": 2}
    assert merged(base, over) == {"a": {"b": 1, "c": [2]}, "d": 1, "e": 2}
    assert base == {"a": {"b": 1, "c": [1]}, "d": 1}
    assert merged({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}
    assert merged({"a": {"b": 2}}, {"a": None}) == {"a": None}


def test_the_example_in_the_docs_is_a_board(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/my-board.md").read_text()
    (example,) = re.findall(r"^```yaml\n# specs/boards/(\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / example[0]).write_text(example[1])
    spec = load_catalog(tmp_path)["uno-r4-minima"].spec
    assert spec.arduino is not None and spec.flash_tool is not None
    assert (spec.arduino.board, spec.flash_tool.kind, spec.usb[1].pid) == ("uno_r4_minima", "dfu-util", 0x0369)
    assert spec.arduino.platform == "renesas-ra"
