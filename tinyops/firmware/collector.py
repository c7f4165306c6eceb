"""What all forms of a collector have in common: the board without its slots, the signal's header, the sources."""

from __future__ import annotations

from typing import Any

from tinyops.boards.model import BoardSpec, Update
from tinyops.files import JsonObject
from tinyops.firmware.contract import Contract
from tinyops.firmware.forms.form import Request
from tinyops.firmware.project import RUNTIME, digest_rows, headers, sources
from tinyops.firmware.templating import comment, render
from tinyops.link.ways import NETWORK_PORT

IMAGE_MILLIHZ = 1000  # of images, of which a signal says no rate: one a second
_LINK = ("app/frame.c", "app/kept.c")  # of the application's files: what a collector shares


def collecting(spec: BoardSpec) -> BoardSpec:
    """The board for a collector: one program from where a bootloader of ours would begin, beside no model. What its
    settings keep stays. A cable brings it, and brings the application back."""
    if spec.layout is None:
        return spec
    layout = spec.layout.without_bootloader().model_copy(update={"model": (), "state": None})
    update = Update(kind="usb-gateway", revert=False, power_safe=False, anti_rollback=False)
    return spec.model_copy(update={"layout": layout, "update": update})


def signal_values(request: Request, facts: Contract) -> dict[str, Any]:
    """What the templates of collectors may say."""
    return {
        "board": request.board,
        "dataset": request.fleet,
        "digest": facts.digest,
        "digest_rows": digest_rows(facts.digest),
        "summary": [comment(line) for line in facts.summary],
        "baud": request.spec.collector_baud,
        "network_port": NETWORK_PORT,
        "frame_values": facts.frame_values,
        "rate_millihz": facts.rate_millihz or IMAGE_MILLIHZ,
        "settings": None,
    }


def describe_input(sensor: JsonObject | str) -> str:
    """Where frames come from, as text that may stand in a comment."""
    name = sensor if isinstance(sensor, str) else str(sensor.get("name") or sensor.get("kind"))
    if name == "stream":
        return "a sensor of its port's, else none: it says so when it is to record"
    return comment(f"{name}, where its port reads it; else it says so when it is to record")


def signal_header(request: Request, facts: Contract, **more: Any) -> dict[str, bytes]:
    return {"include/collector.h": render("collector.h.j2", **(signal_values(request, facts) | more))}


def parts() -> dict[str, bytes]:
    """The runtime's C that every collector is made of, and its headers."""
    files = {**headers(), **sources("collect", "src/collect")}
    files["include/tinyops/collect.h"] = (RUNTIME / "include/tinyops/collect.h").read_bytes()
    return files | {f"src/link/{name.rpartition('/')[2]}": (RUNTIME / name).read_bytes() for name in _LINK}
