"""Who a device is: the bytes of its settings, the file of a fleet's devices, and enrolling one or many."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.smp_board import INFO, SmpBoard, serving
from tinyops.cli import main
from tinyops.device.agent import device_key
from tinyops.device.provision.bulk import read_bulk
from tinyops.device.provision.devices_file import Device, check_id, enrolled, parse_devices, revoked
from tinyops.device.provision.format import (
    LENGTHS,
    NETWORK_VALUES_MAX,
    TAG_TEXT,
    VALUES_MAX,
    Settings,
    Tag,
    c_header,
    decode_values,
    encode_copy,
    encode_values,
    find_values,
)
from tinyops.device.provision.naming import choose_id
from tinyops.errors import RemoteError, SpecError, UsageError
from tinyops.manifest.keys import PublicKey, SigningKey

ROOT = Path(__file__).parents[3]
KEYS = (b"\x11" * 32, b"\x22" * 32)
WHOLE = Settings(
    "d-1", "wrist", "pico", KEYS, b"\x33" * 32, "https://example.org", "plant", "s3cret-pass", b"\x44" * 32
)
TODAY = date(2027, 6, 30)
FLEET = "wrist"  # the first in specs/fleets.yaml
PASSWORD = "canary-7f3a-password"


# -- the bytes ---------------------------------------------------------------------------------


def test_the_committed_header_is_the_emitted_one() -> None:
    assert (ROOT / "tinyops/runtime/include/tinyops/settings_format.h").read_text() == c_header()
    assert set(TAG_TEXT) == set(LENGTHS) == set(Tag)


def test_the_longest_settings_fit() -> None:
    longest = {tag: most for tag, (_, most) in LENGTHS.items()}
    assert sum(longest.values()) + 3 * len(longest) <= NETWORK_VALUES_MAX
    del longest[Tag.ROOTS]  # of devices that fetch by themselves, which keep more
    assert sum(longest.values()) + 3 * len(longest) <= VALUES_MAX


def test_values_come_back_and_absent_ones_are_absent() -> None:
    found = decode_values(encode_values(WHOLE), where="it")
    assert found[Tag.DEVICE] == b"d-1" and found[Tag.IMAGE_KEYS] == b"".join(KEYS)
    assert found[Tag.WIFI_PASSWORD] == b"s3cret-pass" and list(found) == sorted(found)
    bare = Settings("d", "f", "b", KEYS, b"\x33" * 32)
    assert set(decode_values(encode_values(bare), where="it")) == {1, 2, 3, 4, 5}


def test_secrets_are_in_no_text_of_the_settings_and_in_no_error() -> None:
    assert "s3cret" not in repr(WHOLE) and "DDDD" not in repr(WHOLE) and "\\x44" not in repr(WHOLE)
    with pytest.raises(UsageError) as caught:
        encode_values(Settings("d", "f", "b", KEYS, b"\x33" * 32, "", "n", "canary"))
    assert "canary" not in str(caught.value) and "wifi password: 6 bytes" in str(caught.value)


@pytest.mark.parametrize("keys", [(KEYS[0],), (b"\x01" * 32,) * 5])
def test_fewer_keys_than_two_and_more_than_four_are_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(UsageError, match="image key"):
        encode_values(Settings("d", "f", "b", keys, b"\x33" * 32))


@given(st.binary(max_size=64))
def test_any_bytes_are_values_or_one_clear_error(data: bytes) -> None:
    try:
        found = decode_values(data, where="it")
    except RemoteError as error:
        assert str(error).startswith("it: ")
    else:
        assert sum(len(value) + 3 for value in found.values()) == len(data)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2047), st.integers(1, 255))
def test_a_copy_counts_only_while_it_is_whole(sequence: int, at: int, change: int) -> None:
    old = encode_copy(encode_values(WHOLE), sequence, 4).ljust(1024, b"\xff")
    new = encode_copy(b"\x01\x01\x00a", (sequence + 1) % 2**32, 4).ljust(1024, b"\xff")
    region = bytearray(old + new)
    assert find_values(bytes(region), 4) == ((sequence + 1) % 2**32, b"\x01\x01\x00a")
    region[at] ^= change
    found = find_values(bytes(region), 4)
    assert found is not None and found[1] in (encode_values(WHOLE), b"\x01\x01\x00a")


# -- the file ----------------------------------------------------------------------------------

FILE = """# who wears what; reviewed by the ward
id,board,labels,room
w-1,pico,"left, worn",12

# spare
w-2,pico,,13
"""


def test_a_file_keeps_its_comments_order_and_further_columns() -> None:
    file = parse_devices(FILE, where="f.csv")
    assert file.to_text() == FILE
    new = Device("w-3", "pico", public_key="ab" * 32, enrolled="2027-06-30")
    text = enrolled(file, new, instead_of=None, today=TODAY).to_text()
    assert text.splitlines()[0] == "# who wears what; reviewed by the ward"
    assert text.splitlines()[1] == "id,board,labels,room,public_key,enrolled"
    assert text.splitlines()[2] == 'w-1,pico,"left, worn",12,,' and text.splitlines()[4] == "# spare"
    assert text.splitlines()[6] == f"w-3,pico,,,{'ab' * 32},2027-06-30"
    assert parse_devices(text, where="f.csv").devices["w-3"].public_key == "ab" * 32


def test_parts_of_a_chain_are_one_unit_and_a_replaced_part_stays_one() -> None:
    rows = (
        "id,board,revoked,chain\neye,nano33ble,,door-3\nbrain,linux,,door-3\nold,linux,2027-01-01,door-4\nw-1,pico,,\n"
    )
    file = parse_devices(rows, where="f.csv")
    assert file.units({"nano33ble", "pico"}) == {"door-3", "w-1"} and file.to_text() == rows
    after = enrolled(file, Device("eye-2", "nano33ble"), instead_of="eye", today=TODAY)
    assert after.devices["eye-2"].unit == "door-3" and after.units({"linux"}) == {"door-3"}
    with pytest.raises(SpecError, match=r"'door 3' is no device id"):
        parse_devices("id,board,chain\neye,nano33ble,door 3\n", where="f.csv")


def test_an_empty_file_gets_its_header() -> None:
    file = parse_devices("# devices\n", where="f.csv")
    text = enrolled(file, Device("a", "pico"), instead_of=None, today=TODAY).to_text()
    assert text == "# devices\nid,board,labels,public_key,enrolled,revoked,silicon,image_keys\na,pico,,,,,,\n"


def test_a_replaced_device_is_revoked_and_its_labels_are_taken_over() -> None:
    file = parse_devices(FILE, where="f.csv")
    after = enrolled(file, Device("w-9", "pico", public_key="cd" * 32), instead_of="w-1", today=TODAY).devices
    assert after["w-1"].revoked == "2027-06-30" and after["w-9"].labels == "left, worn"
    assert after["w-9"].others == (("room", "12"),)
    again = enrolled(file, Device("w-1", "pico", public_key="cd" * 32), instead_of="w-1", today=TODAY).devices
    assert (again["w-1"].public_key, again["w-1"].revoked, len(again)) == ("cd" * 32, "", 2)


def test_who_is_there_already_or_not_at_all_is_refused() -> None:
    file = parse_devices(FILE, where="f.csv")
    with pytest.raises(UsageError, match="w-1 is enrolled already") as caught:
        enrolled(file, Device("w-1", "pico"), instead_of=None, today=TODAY)
    assert "--replace w-1" in caught.value.hint
    with pytest.raises(UsageError, match="w-7 is not in"):
        enrolled(file, Device("w-1", "pico"), instead_of="w-7", today=TODAY)
    gone = revoked(file, "w-1", TODAY)
    assert gone.devices["w-1"].revoked == "2027-06-30"
    with pytest.raises(UsageError, match="was revoked on 2027-06-30"):
        revoked(gone, "w-1", TODAY)
    with pytest.raises(UsageError, match="not in the fleet's file"):
        revoked(file, "w-7", TODAY)


CHIP, OTHER = "e66058388335372c", "0011223344556677"


def test_a_device_is_called_as_told_else_as_its_chip_is_known_else_after_its_chip() -> None:
    found = Device("", "pico", silicon=CHIP)
    known = (Device("w-1", "pico", silicon=CHIP, revoked="2027-01-01"), Device("w-2", "pico", silicon=CHIP))
    assert choose_id("w-9", found, "usb", known, port="p") == "w-9"
    assert choose_id("", found, "usb", known, port="p") == "w-2"
    assert choose_id("", found, "usb", known[:1], port="p") == f"pico-{CHIP}" == check_id(f"pico-{CHIP}")
    assert choose_id("", Device("", "mega2560"), "usb", known, port="p") == "usb"
    with pytest.raises(UsageError, match="p: its chip has no number"):
        choose_id("", Device("", "mega2560"), "", known, port="p")


def test_a_device_has_one_chip_and_a_chip_is_one_device() -> None:
    file = enrolled(parse_devices(FILE, where="f"), Device("w-3", "pico", silicon=CHIP), instead_of=None, today=TODAY)
    for instead_of in (None, "w-3"):
        with pytest.raises(
            UsageError, match=f"w-3 is enrolled with another chip: {CHIP}, this one is {OTHER}"
        ) as caught:
            enrolled(file, Device("w-3", "pico", silicon=OTHER), instead_of=instead_of, today=TODAY)
        assert "--id NEW --replace w-3" in caught.value.hint
    with pytest.raises(UsageError, match=f"this chip, {CHIP}, is enrolled already: as w-3") as caught:
        enrolled(file, Device("w-4", "pico", silicon=CHIP), instead_of="w-1", today=TODAY)
    assert "`--id w-4 --replace w-3`" in caught.value.hint
    again = enrolled(file, Device("w-3", "pico", silicon=CHIP), instead_of="w-3", today=TODAY)
    renamed = enrolled(again, Device("w-4", "pico", silicon=CHIP), instead_of="w-3", today=TODAY)
    assert renamed.devices["w-3"].revoked and parse_devices(renamed.to_text(), where="f").to_text() == renamed.to_text()
    late = enrolled(file, Device("w-1", "pico", silicon=OTHER), instead_of="w-1", today=TODAY)  # its chip was not known
    assert late.devices["w-1"].silicon == OTHER


def test_everything_that_is_wrong_in_a_file_is_named_at_its_line() -> None:
    text = "id,board\nok,pico\n-bad,pico\nok,pico\nx,\na,b,c\n"
    with pytest.raises(SpecError) as caught:
        parse_devices(text, where="f.csv")
    lines = [(p.line, p.message) for p in caught.value.problems]
    assert [line for line, _ in lines] == [3, 4, 5, 6]
    assert "'-bad' is no device id" in lines[0][1] and "stands twice" in lines[1][1]
    with pytest.raises(SpecError, match=r"f\.csv:1:1: column 'id' is missing"):
        parse_devices("board\npico\n", where="f.csv")
    with pytest.raises(SpecError, match=r"f\.csv:5:1: device d has the chip of a: revoke one"):
        parse_devices(
            "id,board,silicon,revoked\na,b,00112233,\nb,b,00112233,2027-01-01\nc,b,,\nd,b,00112233,\n", where="f.csv"
        )
    with pytest.raises(SpecError, match="the chip's number of a is not"):
        parse_devices("id,board,silicon\na,b,001122\n", where="f.csv")
    for row in ("a,b,,XYZ", "a,b,,,30.6.2027", "a," + "b" * 200_000):
        with pytest.raises(SpecError, match=r"f\.csv:2:1"):
            parse_devices(f"id,board,labels,public_key,enrolled\n{row}\n", where="f.csv")


@given(st.text(max_size=200))
def test_any_text_is_a_file_or_a_spec_error(text: str) -> None:
    try:
        file = parse_devices(text, where="f.csv")
    except SpecError:
        return
    assert parse_devices(file.to_text(), where="f.csv").devices == file.devices


def test_bulk_files_are_checked_whole_before_a_device_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("# a batch\nport,id,labels\n/dev/ttyACM0,a,left\n\n/dev/ttyACM1,,right\n")
    rows = read_bulk(path)
    assert [(r.line, r.port, r.id, r.labels) for r in rows] == [
        (3, "/dev/ttyACM0", "a", "left"),
        (5, "/dev/ttyACM1", "", "right"),
    ]
    path.write_text("port,serial,id\n,,a\n/p,,-x\n/p,1,b,c\n/q,,d\n/q,,e\n/r,,d\n")
    with pytest.raises(SpecError) as caught:
        read_bulk(path)
    assert [p.line for p in caught.value.problems] == [2, 3, 4, 6, 7]
    for text, message in (
        ("", "is empty"),
        ("id\na\n", "columns are"),
        ("port\n" + "x" * 200_000, "too long"),
        ("port,wifi\n/p,x\n", "columns are"),
    ):
        path.write_text(text)
        with pytest.raises(SpecError, match=message):
            read_bulk(path)
    path.write_text("port\n" + "".join(f"/p{n}\n" for n in range(1001)))
    with pytest.raises(SpecError, match="more than 1000"):
        read_bulk(path)


# -- the command -------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's specs with a fleet of one micro:bit and two trusted keys."""
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "specs", root / "specs")
    text = (root / "specs/fleets.yaml").read_text()
    text = text.replace("devices: {enrol: open, max: 20}", "devices: {file: wrist.csv}", 1)
    (root / "specs/fleets.yaml").write_text(text)
    (root / "specs/wrist.csv").write_text("# reviewed\n")
    keys = [SigningKey.generate().public for _ in range(2)]
    (root / "specs/trusted.pem").write_bytes(b"".join(key.to_pem() for key in keys))
    monkeypatch.setenv("TINYOPS_WIFI_PASSWORD", PASSWORD)
    return root


def board_of() -> SmpBoard:
    return SmpBoard(settings=b"", replace={(64, 0): {**INFO, "fleet": FLEET}})


def enrol(root: Path, *arguments: str) -> int:
    return main(["enrol", "-C", str(root), "--fleet", FLEET, *arguments])


class Public(SmpBoard):
    """As firmware does, gives out what stands before the first secret."""

    def _read(self, body: dict[str, object]) -> dict[str, object]:
        values = decode_values(self.settings, where="it")
        end = sum(len(value) + 3 for tag, value in values.items() if tag < 0x80)
        at = body["off"]
        assert isinstance(at, int)
        return {"off": at, "len": end, "data": self.settings[:end][at : at + 128]}


def public() -> Public:
    return Public(settings=b"", replace=board_of().replace)


def test_a_device_gets_its_identity_and_the_file_its_public_half(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = public()
    with serving(board) as port:
        network = ("--wifi", "plant", "--endpoint", "https://example.org")
        assert enrol(repository, port, "--id", "w-1", "--labels", "left", *network) == 0
    values = decode_values(board.settings, where="it")
    (device,) = parse_devices((repository / "specs/wrist.csv").read_text(), where="f").devices.values()
    assert values[Tag.DEVICE] == b"w-1" and values[Tag.WIFI_PASSWORD] == PASSWORD.encode()
    assert values[Tag.BOARD] == b"microbit" and len(values[Tag.IMAGE_KEYS]) == 64
    assert (device.id, device.board, device.labels) == ("w-1", "microbit", "left")
    key = PublicKey(bytes.fromhex(device.public_key))
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signature = Ed25519PrivateKey.from_private_bytes(values[Tag.REPORT_KEY]).sign(b"a report")
    assert key.verifies(signature, b"a report")
    _no_secret(repository, capsys, values[Tag.REPORT_KEY])


def _no_secret(root: Path, capsys: pytest.CaptureFixture[str], key: bytes = b"") -> None:
    """Neither password nor private key is printed, or in any file."""
    shown = "".join(capsys.readouterr())
    texts = [shown, *(path.read_bytes().decode(errors="replace") for path in root.rglob("*") if path.is_file())]
    for text in texts:
        assert PASSWORD not in text
        assert not key or (key.hex() not in text and repr(key)[2:-1] not in text)


def test_json_holds_no_secret_and_errors_quote_none(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = public()
    with serving(board) as port:
        assert enrol(repository, port, "--id", "w-1", "--wifi", "plant", "--json") == 0
        value = json.loads(capsys.readouterr().out)
        assert value["enrolled"][0]["id"] == "w-1" and set(value["enrolled"][0]) == {
            *("id", "board", "chain", "public_key", "enrolled", "revoked", "silicon")
        }
        assert PASSWORD not in json.dumps(value)
        board.replace[64, 3] = {"err": {"group": 64, "rc": 8}}
        assert enrol(repository, port, "--id", "w-2", "--replace", "w-1", "--wifi", "plant") == 70
        shown = "".join(capsys.readouterr())
        assert "took no settings" in shown and PASSWORD not in shown
    monkeypatch.setenv("TINYOPS_WIFI_PASSWORD", "canary7")
    assert enrol(repository, "/dev/none", "--id", "w-2", "--wifi", "plant") == 64
    assert "canary7" not in "".join(capsys.readouterr())


def test_a_device_that_gives_out_a_secret_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(board_of()) as port:  # reads back everything
        assert enrol(repository, port, "--id", "w-1", "--wifi", "plant") == 70
    assert "gives out secret setting 0x80" in capsys.readouterr().err
    assert (repository / "specs/wrist.csv").read_text() == "# reviewed\n"
    _no_secret(repository, capsys)


def test_one_key_is_refused_before_the_device_is_touched(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "specs/trusted.pem").write_bytes(SigningKey.generate().public.to_pem())
    assert enrol(repository, "/dev/none", "--id", "w-1") == 64
    assert "1 trusted image key: a device needs two" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [({"fleet": "other"}, "runs firmware of fleet other"), ({"board": "nucleo"}, "is a nucleo, fleet")],
)
def test_a_board_or_firmware_of_another_fleet_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], message: str
) -> None:
    board = public()
    board.replace[64, 0].update(change)
    with serving(board) as port:
        assert enrol(repository, port, "--id", "w-1") == 64
    assert message in capsys.readouterr().err and board.settings == b""


def test_without_an_id_a_device_is_called_after_its_chip_and_known_by_it_again(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = repository / "specs/wrist.csv"
    board = public()
    with serving(board) as port:
        assert enrol(repository, port, "--json") == 0
        assert json.loads(capsys.readouterr().out)["enrolled"][0]["silicon"] == CHIP
        assert enrol(repository, port) == 64
        assert f"device microbit-{CHIP} is enrolled already" in capsys.readouterr().err
        assert enrol(repository, port, "--id", "w-1", "--replace", f"microbit-{CHIP}") == 0
        first = board.settings
        assert enrol(repository, port, "--replace", "w-1") == 0  # it is known by its chip
    assert board.settings != first and decode_values(board.settings, where="it")[Tag.DEVICE] == b"w-1"
    devices = parse_devices(path.read_text(), where="f").devices
    assert list(devices) == [f"microbit-{CHIP}", "w-1"] and devices["w-1"].silicon == CHIP
    other = public()
    other.replace[64, 0]["silicon"] = bytes.fromhex(OTHER)
    with serving(other) as port:
        assert enrol(repository, port, "--id", "w-1", "--replace", "w-1") == 64
    assert "w-1 is enrolled with another chip" in capsys.readouterr().err and other.settings == b""


def test_replace_enrol_again_and_revoke(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = repository / "specs/wrist.csv"
    board = public()
    with serving(board) as port:
        assert enrol(repository, port, "--id", "w-1", "--labels", "left") == 0
        first = board.settings
        assert enrol(repository, port, "--id", "w-1") == 64  # it is there
        assert board.settings == first
        assert enrol(repository, port, "--id", "w-1", "--replace", "w-1") == 0  # again: a new key
        assert board.settings != first
        assert enrol(repository, port, "--id", "w-2", "--replace", "w-1") == 0
    devices = parse_devices(path.read_text(), where="f").devices
    assert devices["w-1"].revoked and devices["w-2"].labels == "left" and not devices["w-2"].revoked
    assert enrol(repository, "--revoke", "w-2") == 0
    assert parse_devices(path.read_text(), where="f").devices["w-2"].revoked
    assert path.read_text().startswith("# reviewed\n")
    assert enrol(repository, "--revoke", "w-2") == 64


def test_many_are_enrolled_and_one_that_fails_holds_up_no_other(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = public(), public()
    two.replace[64, 0]["silicon"] = bytes.fromhex(OTHER)
    with serving(one) as first, serving(two) as second:
        path = tmp_path / "many.csv"
        path.write_text(f"port,id,labels\n{first},w-1,left\n/dev/none,w-2,\n{second},w-3,right\n")
        assert enrol(repository, "--csv", str(path), "--json") == 70
    value = json.loads(capsys.readouterr().out)
    assert [d["id"] for d in value["enrolled"]] == ["w-1", "w-3"]
    assert value["failed"][0]["device"] == "line 3, w-2"
    devices = parse_devices((repository / "specs/wrist.csv").read_text(), where="f").devices
    assert len({devices[name].public_key for name in ("w-1", "w-3")}) == 2


def test_a_fleet_without_a_file_says_where_to_name_one(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = repository / "specs/fleets.yaml"
    path.write_text(path.read_text().replace("devices: {file: wrist.csv}", "devices: {enrol: open}"))
    assert enrol(repository, "/dev/none", "--id", "w-1") == 65
    shown = capsys.readouterr().err
    assert "fleets.yaml:" in shown and "names no file for its devices" in shown


def test_a_machine_with_linux_is_enrolled_by_the_key_that_its_agent_made(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "--device", "hall-3", "--state", str(tmp_path / "agent"), "--identity", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    machine = ("--id", told["device"], "--board", "linux", "--public-key", told["public_key"])
    assert enrol(repository, *machine, "--labels", "hall") == 0
    (device,) = parse_devices((repository / "specs/wrist.csv").read_text(), where="f").devices.values()
    assert (device.id, device.board, device.labels, device.public_key) == (
        "hall-3",
        "linux",
        "hall",
        told["public_key"],
    )
    assert device_key(tmp_path / "agent").public.raw.hex() == device.public_key
    before = (repository / "specs/wrist.csv").read_text()
    for wrong, said in (
        (machine, "is enrolled already"),
        ((*machine[:1], "hall-4", *machine[2:]), "this key is hall-3's already"),
        ((*machine[:3], "linuks", *machine[4:]), "did you mean linux?"),
        ((*machine[:5], "ab" * 31), "64 lower-case hex digits"),
        (machine[2:], "--id is missing"),
        (machine[:4], "one of PORT"),
        ((*machine[:2], *machine[4:]), "--public-key and --board go together"),
    ):
        capsys.readouterr()
        assert enrol(repository, *wrong) == 64
        assert said in capsys.readouterr().err
    assert (repository / "specs/wrist.csv").read_text() == before
    other = ("--id", "hall-3", "--board", "linux", "--public-key", "cd" * 32, "--replace", "hall-3")
    assert enrol(repository, *other) == 0
    (device,) = parse_devices((repository / "specs/wrist.csv").read_text(), where="f").devices.values()
    assert (device.public_key, device.labels) == ("cd" * 32, "hall")


@pytest.mark.parametrize("arguments", [[], ["/dev/none", "--revoke", "a"], ["--csv", "f", "--id", "a"]])
def test_what_is_enrolled_is_said_once(repository: Path, arguments: list[str]) -> None:
    assert enrol(repository, *arguments) == 64


def test_a_password_is_never_taken_from_the_command_line_and_asked_for_only_on_a_terminal(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TINYOPS_WIFI_PASSWORD")
    assert enrol(repository, "/dev/none", "--id", "a", "--wifi", "plant") == 64
    assert "the password of plant is missing" in capsys.readouterr().err
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    board = public()
    with serving(board) as port:
        assert enrol(repository, port, "--id", "a", "--wifi", "plant", "--wifi-password-file", str(secret)) == 0
    assert decode_values(board.settings, where="it")[Tag.WIFI_PASSWORD] == PASSWORD.encode()
