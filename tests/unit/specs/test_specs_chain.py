"""Chains of boards: what is accepted, and every refusal at its place with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from test_specs_loader import Tree

from tinyops.boards import Board, load_catalog
from tinyops.boards.model import ChainLinks, LinkKind
from tinyops.build.chain_split import chain_facts
from tinyops.specs.targets import all_targets

FLEET_FILE = "specs/d-fleet.yaml"
CHAIN = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: activity
  chain:
    parts:
      - {name: near, board: microbit, sensor: {kind: stream}}
      - {name: middle, board: nano33ble}
      - {name: far, board: linux, act: [serial]}
    links:
      - {from: near, to: middle, kind: uart, baud: 115200}
      - {from: middle, to: far, kind: uart}
    members: {file: ../chains.csv}
  split: {cuts: [1, 3], minimise: ram}
  on_part_lost: {act: report-unavailable, after_ms: 500}
"""
PHONE = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {{name: wrist}}
spec:
  model: activity
  chain:
    parts:
      - {{name: near, board: linux, sensor: {{kind: stream}}}}
      - {{name: far, board: phone}}
    links: [{{from: near, to: far, kind: {}}}]
    members: {{file: ../chains.csv}}
"""


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


@pytest.fixture
def tree(tmp_path: Path, catalog: Mapping[str, Board], monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.chdir(tmp_path)
    made = Tree(tmp_path, catalog)
    made.write(FLEET_FILE, CHAIN)
    made.write("chains.csv", "chain,near,middle,far\n")
    return made


def test_a_chain_is_taken_and_its_parts_are_targets(tree: Tree) -> None:
    targets = all_targets(tree.load())["wrist"]
    assert {name: (t.board, t.model_step) for name, t in targets.items()} == {
        "near": ("microbit", "part:wrist/near"),
        "middle": ("nano33ble", "part:wrist/middle"),
        "far": ("linux", "part:wrist/far"),
    }


def test_auto_is_short(tree: Tree) -> None:
    tree.edit(FLEET_FILE, "{cuts: [1, 3], minimise: ram}", "auto")
    split = tree.load().fleets["wrist"].document.spec.split
    assert split is not None and (split.cuts, split.minimise) == ("auto", "latency")


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("  chain:", "  boards: {linux: {sensor: {kind: stream}}}\n  chain:", "stands beside boards", "of its own"),
        ("name: middle, board", "name: near, board", "a second part 'near'", "its own name"),
        ("name: middle", "name: a/b", "lower-case letters", ""),
        ("board: nano33ble", "board: nano33bel", "no board 'nano33bel'", "did you mean nano33ble"),
        ("board: nano33ble", "board: coral-micro", "there is no library firmware of a part", "can: coral-dev"),
        (
            "board: microbit,",
            "board: microbit, framework: arduino,",
            "there is no arduino firmware of it",
            "can: coral",
        ),
        ("board: nano33ble", "board: mega2560", "its model is linked into its firmware", "teensy41"),
        ("board: nano33ble", "board: esp32", "its model is linked into its firmware", "microbit"),
        ("board: nano33ble", "board: uno-r4", "cannot write the flash that models lie in", "nucleo-h743zi"),
        (
            "board: nano33ble",
            "board: phone",
            "phone can only be the last part of a chain: it sends nothing to another",
            "boards that send: coral-dev-board, jetson-nano, linux, microbit,",
        ),
        ("board: microbit,", "board: phone,", "phone can only be the last part of a chain", "boards that send: coral"),
        ("to: far, kind: uart", "to: far, kind: ble", "nano33ble sends over uart, not ble", "nano33ble-radio"),
        ("kind: stream", "kind: link", "it needs a sensor", "sensor: {kind: stream}"),
        (", sensor: {kind: stream}", "", "the first part takes the frames", "sensor: {kind: stream}"),
        ("board: linux", "board: linux, sensor: {kind: stream}", "'middle' sends it tensors", "leave sensor out"),
        ("kind: stream", "kind: onboard, name: nose", "microbit has no sensor 'nose'", ""),
        (
            "kind: stream}",
            "kind: stream}, act: [serial]",
            "only the last part, 'far', has a result",
            "move it to 'far'",
        ),
        ("act: [serial]", "act: [led]", "linux cannot light an LED", "boards that can"),
        ("{from: near, to: middle", "{from: middle, to: middle", "link 1 is from 'near', not 'middle'", "{from: near,"),
        ("{from: middle, to: far", "{from: middle, to: near", "link 2 is to 'far', not 'near'", "to: far}"),
        ("\n      - {from: middle, to: far, kind: uart}", "", "1 links between 3 parts", "{from: near, to: middle}, {"),
        ("uart, baud: 115200", "tcp", "microbit sends over uart, not tcp", "boards that do"),
        ("baud: 115200", "baud: 57600", "serial lines of microbit cannot run at 57600 baud", "baud: 115200, 1000000"),
        ("far, kind: uart", "far, kind: uart, baud: 31250", "lines of nano33ble cannot run at 31250 baud", "1000000"),
        ("uart, baud: 115200", "ble", "nano33ble receives over uart, not ble", "linux, phone"),
        ("baud: 115200", "bytes_s: 11520", "a uart has a baud rate", "baud: 115200"),
        (
            "board: nano33ble",
            "board: microbit",
            "microbit receives nothing from another board: it can only be the first part",
            "boards that do: coral",
        ),
        ("cuts: [1, 3]", "cuts: [1]", "1 cuts for 3 parts", "give 2, or cuts: auto"),
        ("cuts: [1, 3]", "cuts: [3, 3]", "cuts 3, 3 do not rise", "each part needs an operator"),
        ("cuts: [1, 3]", f"cuts: [1, {2**62}]", "no model has 4,611,686,018,427,387,904 operators", "tinyops plan"),
        ("minimise: ram", "at_most_ms: 1.0e+308", "1e+308 is no limit", "at most 86,400,000"),
        ("minimise: ram", f"at_most_radio_bytes: {2**62}", "is no limit", "at most 1,099,511,627,776"),
        ("uart, baud: 115200", f"tcp, bytes_s: {2**62}", "bytes a second", "at most 10,000,000,000"),
        ("cuts: [1, 3]", "cuts: [0, 3]", "spec.split.cuts[0]: must be greater than 0: 0", ""),
        ("{cuts: [1, 3], minimise: ram}", "automatic", "must be auto or a mapping such as {cuts: [1]}", ""),
        ("{cuts: [1, 3], minimise: ram}", "[1, 3]", "must be auto or a mapping such as {cuts: [1]}", ""),
        ("after_ms: 500", "after_ms: 1", "10", ""),
        ("../chains.csv", "../none.csv", "../none.csv does not exist", ""),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(tree: Tree, old: str, new: str, message: str, hint: str) -> None:
    tree.edit(FLEET_FILE, old, new)
    problems = [p for p in tree.problems() if message in p.message and hint in p.hint]
    assert problems, tree.problems()
    (problem, *_) = problems
    assert problem.file.endswith(FLEET_FILE) and problem.line > 4 and problem.column > 2


def test_a_fault_stands_where_its_value_does(tree: Tree) -> None:
    tree.edit(FLEET_FILE, "uart, baud: 115200", "tcp")
    receives, sends = (p for p in tree.problems())
    line = (tree.root / FLEET_FILE).read_text().splitlines()[sends.line - 1]
    assert line[sends.column - 1 :].startswith("tcp") and (receives.line, receives.column) == (sends.line, sends.column)


@pytest.mark.parametrize("board", ["nano33ble, framework: arduino", "nano33ble-radio", "teensy41", "pico2"])
def test_a_makers_core_has_a_line_to_each_side(tree: Tree, board: str) -> None:
    """On pins to the part before, by its cable to a board with an operating system."""
    tree.edit(FLEET_FILE, "board: nano33ble}", f"board: {board}}}")
    repository = tree.load()
    fleet = repository.fleets["wrist"].document
    links = chain_facts(fleet, all_targets(repository)["wrist"]["middle"], tree.catalog)["chain"]
    assert links["upstream"] == links["downstream"] == {"kind": "uart", "baud": 115200}


def test_a_makers_core_has_rates_of_its_own(tree: Tree) -> None:
    tree.edit(FLEET_FILE, "near, board: microbit,", "near, board: linux,")
    tree.edit(FLEET_FILE, "uart, baud: 115200", "uart, baud: 230400")
    assert "serial lines of nano33ble cannot run at 230400 baud" in [p.message for p in tree.problems()]
    tree.edit(FLEET_FILE, "board: nano33ble}", "board: nano33ble, framework: arduino}")
    assert tree.load()


def test_what_a_cable_cannot_reach_is_reached_over_pins_where_there_are_some(tree: Tree) -> None:
    tree.edit(FLEET_FILE, "far, board: linux, act: [serial]", "far, board: microbit-v2")
    tree.edit(FLEET_FILE, "board: nano33ble}", "board: nano33ble, framework: arduino}")
    (problem,) = tree.problems()
    assert "nano33ble's line is USB's, which microbit-v2 cannot take" in problem.message
    line = (tree.root / FLEET_FILE).read_text().splitlines()[problem.line - 1]
    assert "from: middle" in line and line[problem.column - 1 :].startswith("uart")
    tree.edit(FLEET_FILE, "nano33ble, framework: arduino", "teensy41")
    repository = tree.load()
    targets = all_targets(repository)["wrist"]
    told = [chain_facts(repository.fleets["wrist"].document, t, tree.catalog)["chain"] for t in targets.values()]
    assert [bool((one["downstream"] or {}).get("wired")) for one in told] == [True, True, False]


def test_a_radio_sends_what_a_cable_would(tree: Tree) -> None:
    tree.edit(FLEET_FILE, "board: nano33ble}", "board: nano33ble-radio}")
    tree.edit(FLEET_FILE, "to: far, kind: uart", "to: far, kind: ble")
    tree.catalog = {**tree.catalog, "linux": receiving_ble(tree.catalog["linux"])}
    repository = tree.load()
    fleet = repository.fleets["wrist"].document
    links = chain_facts(fleet, all_targets(repository)["wrist"]["middle"], tree.catalog)["chain"]
    assert links["downstream"] == {"kind": "ble"}


def receiving_ble(board: Board) -> Board:
    links = ChainLinks(receives=("ble", "uart"), sends=board.spec.chain_links.sends)
    return board.model_copy(update={"spec": board.spec.model_copy(update={"chain_links": links})})


@pytest.mark.parametrize("kind", ["uart", "tcp", "ble"])
def test_a_phone_is_a_last_part(tree: Tree, kind: LinkKind) -> None:
    linux = tree.catalog["linux"]
    links = linux.spec.model_copy(update={"chain_links": ChainLinks(sends=(kind, "udp"))})
    tree.catalog = {**tree.catalog, "linux": linux.model_copy(update={"spec": links})}
    tree.write(FLEET_FILE, PHONE.format(kind))
    tree.write("chains.csv", "chain,near,far\n")
    assert all_targets(tree.load())["wrist"]["far"].board == "phone"
    tree.edit(FLEET_FILE, f"to: far, kind: {kind}", "to: far, kind: udp")
    assert "phone receives over uart, ble, tcp, not udp" in [p.message for p in tree.problems()]


@pytest.mark.parametrize("lines", ["  split: auto\n", "  on_part_lost: {after_ms: 100}\n"])
def test_without_a_chain_nothing_is_split_or_lost(tree: Tree, lines: str) -> None:
    boards = "  boards: {linux: {sensor: {kind: stream}}}\n"
    tree.write(FLEET_FILE, CHAIN[: CHAIN.index("  chain:")] + boards + lines)
    (problem,) = tree.problems()
    assert "the fleet has no chain of boards" in problem.message and problem.line == 7


def test_a_plain_board_takes_no_tensors_from_another(tree: Tree) -> None:
    boards = "  boards: {linux: {sensor: {kind: link}}}\n"
    tree.write(FLEET_FILE, CHAIN[: CHAIN.index("  chain:")] + boards)
    (problem,) = tree.problems()
    assert "only a part of a chain takes tensors" in problem.message and "sensor: {kind: stream" in problem.hint


def test_a_board_without_slots_for_models_is_no_part(tree: Tree) -> None:
    board = tree.catalog["nano33ble"]
    layout = board.spec.layout
    assert layout is not None
    linked = board.spec.model_copy(update={"layout": layout.model_copy(update={"model": ()})})
    tree.catalog = {**tree.catalog, "nano33ble": board.model_copy(update={"spec": linked})}
    (problem,) = tree.problems()
    assert "its model is linked into its firmware" in problem.message
