"""The shipped udev rules are those of the catalogue, can be parsed, and are looked for where udev reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tinyops import doctor
from tinyops.boards import load_catalog
from tinyops.boards.udev import RULES_NAME, SHIPPED, installed_rules, rules_text

CATALOG = load_catalog()
PAIR = (
    r'(?:ACTION|SUBSYSTEM|MODE|GROUP|TAG|GOTO|LABEL|ATTRS\{id(?:Vendor|Product)\}|ENV\{\w+\})(?:==|!=|\+=|=)"[^"\\]+"'
)


def test_the_shipped_rules_are_those_of_the_catalogue() -> None:
    assert SHIPPED.read_text() == rules_text(CATALOG), "run `python -m tinyops.cli.reference` and commit the result"


def test_every_id_has_one_rule_that_names_its_boards() -> None:
    rules = re.findall(
        r'^# (.*)\nATTRS\{idVendor\}=="([0-9a-f]{4})", ATTRS\{idProduct\}=="([0-9a-f]{4})", (.*)$',
        SHIPPED.read_text(),
        re.MULTILINE,
    )
    found = {(int(vid, 16), int(pid, 16)): names for names, vid, pid, _ in rules}
    assert len(found) == len(rules)
    wanted = {(usb.vid, usb.pid) for board in CATALOG.values() for usb in board.spec.usb}
    assert found.keys() == wanted
    assert found[0x0D28, 0x0204] == "microbit debugger, microbit-v2 debugger"
    assert all('TAG+="uaccess"' in rest and 'MODE="0660"' in rest for *_, rest in rules), "no device is open to all"


def test_every_line_is_a_rule() -> None:
    for line in SHIPPED.read_text().splitlines():
        assert not line or line.startswith("#") or re.fullmatch(rf"{PAIR}(, {PAIR})*", line), line
    labels = re.findall(r'(GOTO|LABEL)="(\w+)"', SHIPPED.read_text())
    assert {name for _, name in labels} == {"tinyops_end"}
    assert labels[-1][0] == "LABEL", "jumps go forwards"


def test_udevadm_has_nothing_against_them() -> None:
    udevadm = shutil.which("udevadm")
    if udevadm is None or "verify" not in subprocess.run([udevadm, "--help"], capture_output=True, text=True).stdout:
        pytest.skip("no udevadm here that verifies rules")
    done = subprocess.run([udevadm, "verify", str(SHIPPED)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr


def test_installed_rules_are_compared_with_the_shipped(tmp_path: Path) -> None:
    assert installed_rules([tmp_path / "none", tmp_path]) is None
    path = tmp_path / RULES_NAME
    path.write_bytes(SHIPPED.read_bytes())
    assert installed_rules([tmp_path / "none", tmp_path]) == (path, True)
    path.write_text("# older\n")
    assert installed_rules([tmp_path]) == (path, False)


@pytest.mark.parametrize(
    ("installed", "ok", "found"), [(None, False, None), ("same", True, ""), ("other", False, "of another version")]
)
def test_doctor_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: str | None, ok: bool, found: str | None
) -> None:
    answer = None if installed is None else (tmp_path / RULES_NAME, installed == "same")
    monkeypatch.setattr("tinyops.boards.udev.installed_rules", lambda: answer)
    monkeypatch.setattr("sys.platform", "linux")
    (check,) = doctor._udev_rules()
    assert check.ok == ok and check.optional
    assert check.found is None if found is None else found in str(check.found)
    assert bool(check.advice) != ok
    assert ok or f"sudo cp {SHIPPED} /etc/udev/rules.d/" in check.advice
    monkeypatch.setattr("sys.platform", "darwin")
    assert not list(doctor._udev_rules())
