"""Who may open the boards' USB devices on Linux: udev rules, from the ids in the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.errors import ToolError
from tinyops.files import read_bounded

RULES_NAME = "60-tinyops.rules"  # before 73, where systemd gives tagged devices to who sits at the machine
SHIPPED = Path(__file__).parent / RULES_NAME
RULES_LIMIT_BYTES = 1 << 20
FOLDERS = tuple(map(Path, ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")))
SUBSYSTEMS = ("usb", "tty", "hidraw")

_HEADER = """\
# Written by `python -m tinyops.cli.reference` from the boards' USB ids, never by hand.
# Install: sudo cp {name} /etc/udev/rules.d/ && sudo udevadm control --reload && sudo udevadm trigger
# Who sits at the machine, and the group dialout, may open these devices; ModemManager leaves them alone.
ACTION=="remove", GOTO="tinyops_end"
SUBSYSTEM!="{subsystems}", GOTO="tinyops_end"
"""
_RULE = (
    'ATTRS{{idVendor}}=="{vid:04x}", ATTRS{{idProduct}}=="{pid:04x}", MODE="0660", GROUP="dialout", TAG+="uaccess", '
    'ENV{{ID_MM_DEVICE_IGNORE}}="1"'
)


def rules_text(catalog: Mapping[str, Board]) -> str:
    """The rules file: a rule for each id, under the names of the boards that have it."""
    owners: dict[tuple[int, int], list[str]] = {}
    for name, board in sorted(catalog.items()):
        for usb in board.spec.usb:
            owners.setdefault((usb.vid, usb.pid), []).append(f"{name} {usb.mode}")
    lines = [_HEADER.format(name=RULES_NAME, subsystems="|".join(SUBSYSTEMS))]
    for (vid, pid), boards in sorted(owners.items()):
        lines.append(f"# {', '.join(boards)}\n{_RULE.format(vid=vid, pid=pid)}\n")
    return "\n".join([*lines, 'LABEL="tinyops_end"\n'])


def installed_rules(folders: Iterable[Path] = FOLDERS) -> tuple[Path, bool] | None:
    """The rules file that udev reads, and whether it is the shipped one; None when there is none."""
    for folder in folders:
        path = folder / RULES_NAME
        if path.is_file():
            try:
                same = read_bounded(path, RULES_LIMIT_BYTES) == SHIPPED.read_bytes()
            except (OSError, ToolError):
                same = False
            return path, same
    return None
