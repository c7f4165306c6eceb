"""The file of a fleet's chains."""

from __future__ import annotations

import pytest

from tinyops.device.provision.devices_file import parse_devices
from tinyops.device.provision.members_file import Member, parse_members, with_members
from tinyops.errors import SpecError

PARTS = ("eye", "brain")
GOOD = "# doors\nchain,eye,brain\n\ndoor-1,cam-17,pi-17\ndoor-2, cam-18, pi-18\n"
LIST = "id,board\ncam-17,eye\npi-17,brain\ncam-18,eye\npi-18,brain\nhub,linux\n"


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_members(text, PARTS, where="doors.csv")
    return [f"{one.line}: {one.message}" for one in caught.value.problems]


def test_a_line_is_a_chain_and_a_column_a_part() -> None:
    found = parse_members(GOOD, PARTS, where="doors.csv")
    assert found.chains == {"door-1", "door-2"}
    assert found.of("pi-18") == Member("pi-18", "brain", "door-2", 5) and found.of("hub") is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", ["1: the first line must be chain,eye,brain"]),
        ("chain,brain,eye\n", ["1: the first line must be chain,eye,brain"]),
        ("chain,eye,brain\nd,a\n", ["2: 2 fields, a chain and its 2 parts are wanted"]),
        ("chain,eye,brain\nd,,b\n", ["2: eye: is empty"]),
        ("chain,eye,brain\nd,a,b\nd,c,e\n", ["3: chain d stands in line 2 already"]),
        ("chain,eye,brain\nd,a,b\ne,c,a\n", ["3: device a stands in line 2 already"]),
        ("chain,eye,brain\nd,a,a\n", ["2: device a stands in line 2 already"]),
        (f"chain,eye,brain\nd,{'a' * 9000},b\n", ["2: is too long"]),
    ],
)
def test_faults_name_their_line(text: str, wrong: list[str]) -> None:
    assert problems(text) == wrong


def test_a_bad_name_is_no_device() -> None:
    (only,) = problems("chain,eye,brain\nd,../x,b\n")
    assert only.startswith("2: eye: '../x' is no device id")


def test_a_chain_is_one_unit_of_waves() -> None:
    listed = with_members(parse_devices(LIST, where="list.csv"), parse_members(GOOD, PARTS, where="doors.csv"))
    assert listed.units(PARTS) == {"door-1", "door-2"}
    assert listed.devices["cam-17"].unit == listed.devices["pi-17"].unit == "door-1"
    assert listed.devices["hub"].unit == "hub"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (LIST.replace("pi-17,brain\n", ""), "4: brain: no device pi-17 is listed"),
        (LIST.replace("pi-17,brain", "pi-17,eye"), "4: pi-17 is listed as eye, and stands here as brain"),
    ],
)
def test_the_two_files_must_agree(text: str, wrong: str) -> None:
    members = parse_members(GOOD, PARTS, where="doors.csv")
    with pytest.raises(SpecError) as caught:
        with_members(parse_devices(text, where="list.csv"), members)
    assert [f"{one.line}: {one.message}" for one in caught.value.problems] == [wrong]


def test_another_chain_in_the_list_is_a_fault() -> None:
    listed = parse_devices("id,board,chain\ncam-17,eye,door-9\npi-17,brain,\n", where="list.csv")
    members = parse_members("chain,eye,brain\ndoor-1,cam-17,pi-17\n", PARTS, where="doors.csv")
    with pytest.raises(SpecError, match="cam-17 is listed in chain door-9, and stands here in door-1"):
        with_members(listed, members)
