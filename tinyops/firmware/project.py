"""What the projects of all forms are made of: the runtime's C, the contract's header, the compiled model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tinyops.boards.layout import Layout
from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, read_bounded
from tinyops.firmware.contract import Contract
from tinyops.firmware.forms.form import Request
from tinyops.firmware.slots import model_region
from tinyops.firmware.templating import comment
from tinyops.link.smp.definition import MESSAGE_MIN

RUNTIME = Path(__file__).parent.parent / "runtime"
HEADERS = (
    *("app.h", "boot.h", "bytes.h", "crc32.h", "delta.h", "delta_format.h", "ed25519.h", "golden.h", "health.h"),
    *("image_format.h", "link.h", "little_endian.h", "manage.h", "model.h", "port.h", "settings.h"),
    *("settings_format.h", "settings_smp.h"),
    *("sha256.h", "slots.h", "smp.h", "smp_group.h"),
)
SLOTLESS_APP = ("app", "frame", "health", "image", "kept", "line", "loop", "sensing", "try")  # nothing is replaced
CHAIN_HEADERS = ("chain.h", "model_part.h", "part_link.h")
# Of the application that every firmware is made of; what a board says of itself. A change of behaviour is a new one.
FIRMWARE_VERSION = "0.1.0"
SOURCE_LIMIT_BYTES = 64 * MIB
PROJECT_FILES = ("platformio.ini", "CMakeLists.txt")


def names(request: Request) -> dict[str, Any]:
    """What every template may say of the firmware."""
    return {"board": request.board, "fleet": request.fleet, "title": comment(request.spec.title)}


def headers() -> dict[str, bytes]:
    """The runtime's public headers that the application is written against."""
    return {f"include/tinyops/{header}": (RUNTIME / "include/tinyops" / header).read_bytes() for header in HEADERS}


def sources(source: str, folder: str) -> dict[str, bytes]:
    """The C of one folder of the runtime, under its place in the project."""
    found = sorted(p for p in (RUNTIME / source).iterdir() if p.suffix in {".c", ".cpp", ".h"})
    return {f"{folder}/{p.name}": p.read_bytes() for p in found}


def chain_files() -> dict[str, bytes]:
    """The runtime's C of a part of a chain, beside the application's."""
    found = {f"include/tinyops/{name}": (RUNTIME / "include/tinyops" / name).read_bytes() for name in CHAIN_HEADERS}
    return found | sources("chain", "src/chain")


def slotless_part() -> dict[str, bytes]:
    """The C of a part whose images lie in no slots of flash, beside its port's: chain, application, SMP and headers."""
    app = {f"src/app/{name}.c": (RUNTIME / "app" / f"{name}.c").read_bytes() for name in SLOTLESS_APP}
    chain = {name: data for name, data in chain_files().items() if name != "src/chain/switch.c"}
    return {**chain, **app, **sources("smp", "src/smp")}


def digest_rows(digest: str) -> list[str]:
    """A digest's bytes as C has them, eight a line."""
    raw = bytes.fromhex(digest.removeprefix("sha256:"))
    return [", ".join(f"0x{byte:02x}" for byte in raw[at : at + 8]) for at in range(0, len(raw), 8)]


def contract_values(facts: Contract, layout: Layout) -> dict[str, Any]:
    return {
        "settings": None,  # of forms that keep none; the bare one overrides it
        "message_bytes": MESSAGE_MIN,
        "firmware_version": FIRMWARE_VERSION,
        "digest": facts.digest,
        "digest_rows": digest_rows(facts.digest),
        "summary": [comment(line) for line in facts.summary],
        "model": model_region(layout, layout.model),
        "arena_bytes": facts.arena_bytes,
        "frame_values": max(facts.frame_values, 1),
        "rate_millihz": facts.rate_millihz,
    }


def describe_sensor(sensor: JsonObject | str) -> str:
    """Where frames come from, as text that may stand in a comment."""
    if isinstance(sensor, dict) and sensor.get("kind") == "stream":
        return "frames sent by the host over the link"
    name = sensor if isinstance(sensor, str) else sensor.get("name", sensor.get("kind", "?"))
    return comment(f"{name}; this version has no driver for it and takes frames from the host over the link")


def with_model(files: Mapping[str, bytes], inputs: Mapping[str, Path]) -> dict[str, bytes]:
    """The projects with a compile step's C in src/model. Raises SpecError when that is not among the inputs."""
    if "model.c" not in inputs:
        raise SpecError("firmware: model.c is missing among the inputs", hint="the inputs are all outputs of compile")
    found = dict(files)
    projects = [PurePosixPath(name).parent for name in files if PurePosixPath(name).name in PROJECT_FILES]
    for name, path in inputs.items():
        source = PurePosixPath(name)
        if source.suffix not in (".c", ".h"):
            continue
        if source.is_absolute() or ".." in source.parts:
            raise SpecError(f"firmware: file name {name!r} leads out of the project")
        for project in projects:
            found[str(project / "src/model" / source)] = read_bounded(path, SOURCE_LIMIT_BYTES)
    return dict(sorted(found.items()))
