"""The agent as a service of systemd: telling it that all is well, and the unit that starts it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

WATCHDOG_S: Final = 120
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"

UNIT: Final = """\
[Unit]
Description=tinyops agent: keeps this machine's models, and the devices behind it, at their fleets' releases
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={program} agent --config {config}
Restart=always
RestartSec=30
WatchdogSec={watchdog}
TimeoutStopSec=90

# It owns one folder, and nothing else that can be written to.
DynamicUser=yes
StateDirectory={state}
StateDirectoryMode=0700
UMask=0077
{credentials}ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateMounts=yes
# Serial lines of the boards on its ports; without such boards the next three lines are not needed.
SupplementaryGroups=dialout
DevicePolicy=closed
DeviceAllow=char-ttyACM rw
DeviceAllow=char-ttyUSB rw

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX{bluetooth}
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
MemoryMax=512M
TasksMax=512

[Install]
WantedBy=multi-user.target
"""


def unit(program: Path, config: Path, state: str, *, bluetooth: bool, secrets: Sequence[Path] = ()) -> str:
    """The unit that runs a program with a settings file; `state` names its folder below /var/lib, `secrets` are
    files that root alone can read: systemd hands them over."""
    loads = "".join(f"LoadCredential={path.name}:{path}\n" for path in secrets)
    words = {
        "program": str(program),
        "config": str(config),
        "state": state,
        "watchdog": str(WATCHDOG_S),
        "credentials": loads,
    }
    return UNIT.format(**words, bluetooth=" AF_BLUETOOTH" if bluetooth else "")


def secret_file(path: Path) -> Path:
    """Where a secret's file is read: where systemd put it, if it handed over one of that name."""
    handed = os.environ.get(CREDENTIALS, "")
    given = Path(handed) / path.name
    return given if handed and given.is_file() else path


def notify(state: str) -> None:
    """Tells systemd, where it started this process: READY=1, WATCHDOG=1, STATUS=…, STOPPING=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.connect("\0" + address[1:] if address[0] == "@" else address)
        line.send(state.encode())
