"""What a board does with results: what is accepted, and every refusal with its place and the boards that would do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from test_specs_loader import FLEET, Tree

from tinyops.boards import Board, load_catalog
from tinyops.specs.acts import HttpAct, http_act

FLEET_FILE = "specs/d-fleet.yaml"
HOSTED = "walk.csv}}"
BARE = "serial}}"


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


@pytest.fixture
def tree(tmp_path: Path, catalog: Mapping[str, Board], monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.chdir(tmp_path)
    return Tree(tmp_path, catalog)


def acting(tree: Tree, where: str, act: str) -> None:
    tree.edit(FLEET_FILE, where, f"{where[:-1]}, act: {act}}}")


def test_without_a_word_a_board_does_what_it_always_did(tree: Tree) -> None:
    assert all(binding.act is None for binding in tree.load().fleets["wrist"].document.spec.boards.values())


def test_a_kind_alone_is_short_for_its_defaults(tree: Tree) -> None:
    acting(tree, HOSTED, "[serial, {kind: http, url: 'https://plant.example:8443/results?line=3'}]")
    acting(tree, BARE, "[led]")
    tree.edit(FLEET_FILE, "nano33ble:", "nano33ble-radio:")
    tree.edit(FLEET_FILE, "framework: arduino", "framework: arduino, act: [{kind: led}, ble]")
    boards = tree.load().fleets["wrist"].document.spec.boards
    assert [act.kind for act in boards["nano33ble-radio"].act or ()] == ["led", "ble"]
    assert [act.kind for act in boards["microbit"].act or ()] == ["led"]
    posting = http_act(boards["linux"].act)
    assert posting == HttpAct(kind="http", url="https://plant.example:8443/results?line=3", only_changes=False)
    assert posting is not None and posting.encrypted and posting.parts.port == 8443
    assert http_act(boards["microbit"].act) is None and http_act(None) is None


@pytest.mark.parametrize(
    ("where", "act", "message", "hint"),
    [
        (
            HOSTED,
            "[led]",
            "linux cannot light an LED: its agent drives none",
            "boards that can: mega2560, microbit, mi",
        ),
        (HOSTED, "[ble]", "linux cannot notify over Bluetooth: its agent has no Bluetooth", "nano33ble-radio, uno-r4"),
        (
            BARE,
            "[ble]",
            "microbit cannot notify over Bluetooth: its bare-metal firmware has no Bluetooth stack",
            "esp32,",
        ),
        (
            BARE,
            "[{kind: http, url: 'https://a.example'}]",
            "microbit cannot post to a server: its bare-metal",
            "linux, ",
        ),
        (BARE, "[serial, led, serial]", "serial stands twice", "name each once"),
        (BARE, "[bell]", "bell", "serial"),
        (BARE, "[]", "at least 1", ""),
        (HOSTED, "[{kind: http}]", '"url" is missing', ""),
        (HOSTED, "[{kind: http, url: 'ftp://a.example'}]", "begins with http:// or https://", ""),
        (HOSTED, "[{kind: http, url: 'https://me:pw@a.example/'}]", "no user, password", ""),
        (HOSTED, "[{kind: http, url: 'https://a.example:70000/'}]", "its port is none", ""),
        (HOSTED, "[{kind: http, url: 'https://a.example:0/'}]", "its port is none", ""),
        (HOSTED, '[{kind: http, url: "https://a.example/\\"+x"}]', "no user, password", ""),
        (HOSTED, f"[{{kind: http, url: 'https://a.example/{'x' * 200}'}}]", "longer than 200", ""),
        (HOSTED, "[{kind: http, url: 'https://a.example', retries: 3}]", "retries", ""),
    ],
)
def test_what_a_board_cannot_do_is_refused_at_its_line(
    where: str, act: str, message: str, hint: str, tree: Tree
) -> None:
    acting(tree, where, act)
    (problem,) = tree.problems()
    text = (tree.root / FLEET_FILE).read_text().splitlines()[problem.line - 1]
    assert "act:" in text and text.index("act:") < problem.column
    assert problem.file.endswith(FLEET_FILE)
    assert message in problem.message and hint in problem.hint, problem


def test_a_firmware_of_another_framework_that_can_is_named(tree: Tree, catalog: Mapping[str, Board]) -> None:
    """As for a board of one's own that has both a bare-metal port and room for a radio's library."""
    radio, plain = catalog["nano33ble-radio"].spec, catalog["nano33ble"].spec
    both = plain.model_copy(update={"arduino": radio.arduino})
    tree.catalog = {**catalog, "nano33ble": catalog["nano33ble"].model_copy(update={"spec": both})}
    tree.edit(
        FLEET_FILE, "sensor: onboard-imu, transport: ble, framework: arduino", "sensor: {kind: stream}, act: [ble]"
    )
    (problem,) = tree.problems()
    assert problem.message.startswith("nano33ble cannot notify over Bluetooth: its bare-metal firmware")
    assert problem.hint == "its arduino firmware can: framework: arduino"


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://plant.example/x", False),
        ("http://localhost:8000/x", False),
        ("http://127.0.0.1/x", False),
        ("http://plant.example/x", True),
    ],
)
def test_a_page_posts_encrypted_or_to_its_own_machine(url: str, refused: bool, tree: Tree) -> None:
    phone = f"    phone: {{sensor: {{kind: stream}}, act: [{{kind: http, url: '{url}'}}]}}\n"
    tree.write(FLEET_FILE, FLEET + phone)
    if not refused:
        tree.load()
        return
    (problem,) = tree.problems()
    assert (problem.line, problem.column) == (10, phone.index("'http") + 1)
    assert "phone cannot post there: a page may send to https URLs only" in problem.message
    assert "linux" in problem.hint and "phone" not in problem.hint


def test_boards_say_what_their_firmware_can_do(catalog: Mapping[str, Board]) -> None:
    assert catalog["linux"].spec.acts(None) == catalog["phone"].spec.acts(None) == ("serial", "http")
    assert catalog["pico"].spec.acts(None) == ("serial", "led")
    assert catalog["pico-w"].spec.acts(None)[:1] == ("serial",), "GP25 is the radio's there, no LED"
    assert "led" not in catalog["pico-w"].spec.acts("bare-metal")
    assert catalog["nano33ble"].spec.acts("bare-metal") == ("serial", "led")
    assert catalog["nano33ble"].spec.acts("arduino") == ("serial", "led"), "no room for a Bluetooth stack"
    assert catalog["nano33ble-radio"].spec.acts(None) == ("serial", "led", "ble")
    assert "ble" in catalog["esp32s3"].spec.acts(None)
