"""A page for phones: rendered from the fleet's specs, released as one zip file that a web server unpacks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tinyops.artifacts import Step
from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.files import JsonObject, digest_json, write_atomic
from tinyops.firmware.archive import pack
from tinyops.firmware.project import read_contract
from tinyops.specs.locking import own_pins

PORT = "browser"
TEMPLATES = Path(__file__).parent.parent / "templates" / "browser"
SOURCES = Path(__file__).parent.parent.parent / "runtime" / "port" / "browser"
ZIP = "page.zip"
RELEASES = "../releases/"  # beside the page's folder: a browser fetches from where the page came from
NO_TRUST: JsonObject = {"keys": {}, "threshold": 1}
GRAVITY = "motion-with-gravity"  # the sensor whose readings keep what the phone's own axes feel of it
# No script or style in the page itself, nothing from elsewhere; WebAssembly may be compiled.
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "img-src 'self'"),
        *("connect-src 'self'", "worker-src 'self'", "manifest-src 'self'", "base-uri 'none'", "form-action 'none'"),
    )
)
LABELS = {"motion": "Motion", "microphone": "Microphone"}
NOTES = {
    "motion": "Reads this phone's motion sensors, resampled to {rate:g} a second, in {units}{gravity}.",
    "microphone": "Listens to this phone's microphone, resampled to {rate:g} samples a second. No sound leaves it.",
}


def render_page(
    *,
    board: str,
    spec: BoardSpec,
    fleet: str,
    sensor: JsonObject | str,
    contract: JsonObject,
    trust: JsonObject = NO_TRUST,
) -> dict[str, bytes]:
    """Every file of the page by its name, sorted: a pure function of specs, templates and the public keys given.

    Raises SpecError for what is no contract.
    """
    digest = digest_json(contract).removeprefix("sha256:")
    gravity = (sensor.get("name") if isinstance(sensor, dict) else sensor) == GRAVITY
    _check(contract)
    page: JsonObject = {"fleet": fleet, "board": board, "contractDigest": digest, "contract": contract}
    page |= {"gravity": gravity, "releases": RELEASES}
    words = _words(contract["input"], gravity)
    common = {"fleet": fleet, "board": board, "title": spec.title, "policy": POLICY, "contract_digest": digest}
    files = {path.name: path.read_bytes() for path in SOURCES.iterdir() if path.is_file()}
    files["index.html"] = _render("index.html.j2", **common, **words)
    files["page.js"] = _render("page.js.j2", page=_script(page))
    files["trust.js"] = _render("trust.js.j2", trust=_script(trust))
    name, short = json.dumps(f"{fleet} · tinyops"), json.dumps(fleet[:12])
    files["manifest.webmanifest"] = _render("manifest.webmanifest.j2", name=name, short_name=short)
    listed = json.dumps([f"./{name}" for name in sorted(files)], indent=2)
    files["sw.js"] = _render("sw.js.j2", **common, digest=_digest(files), files=listed)
    return dict(sorted(files.items()))


def build_page(step: Step, spec: BoardSpec, contract: JsonObject, out: Path) -> JsonObject:
    """Writes the page's folder and its zip; returns the facts.

    Raises ToolError where the lock wants another tinyops.
    """
    settings = step.settings
    if step.lock["firmware"] != own_pins().firmware:
        raise ToolError(
            "the lock wants the firmware sources of another version of tinyops",
            hint="install the locked tinyops, or run `tinyops lock` and have the new version reviewed",
        )
    files = render_page(
        board=str(settings["board"]),
        spec=spec,
        fleet=str(settings["fleet"]),
        sensor=settings.get("sensor", {}),
        contract=contract,
        trust=settings.get("trust") or NO_TRUST,
    )
    for name, data in files.items():
        write_atomic(out / "page" / name, data)
    packed = pack(files)
    write_atomic(out / ZIP, packed)
    return {
        "image": True,
        "port": spec.port,
        "contract": digest_json(contract),
        "files": len(files),
        "page_bytes": sum(map(len, files.values())),
        "zip_bytes": len(packed),
        "trusted_keys": sorted((settings.get("trust") or NO_TRUST)["keys"]),
    }


def _check(contract: JsonObject) -> None:
    """A page has no arena of its own, so a contract may leave it open. Raises SpecError."""
    limited = contract.get("arena_bytes") if isinstance(contract, dict) else None
    read_contract({**contract, "arena_bytes": 1 if limited is None else limited})


def _words(given: JsonObject, gravity: bool) -> dict[str, Any]:
    """What the page says about the contract's input, for people."""
    channels, units = given.get("channels") or [], given.get("units") or []
    kind = "microphone" if given.get("sensor") == "microphone" and len(channels) == 1 else "motion"
    note = NOTES[kind].format(
        rate=given.get("rate_hz") or 0,
        units=", ".join(dict.fromkeys(units)).replace("s2", "s²"),
        gravity="" if gravity else "; gravity is removed",
    )
    columns = f"the columns {', '.join(channels)}" if given.get("rate_hz") else "one image a line"
    frames = f"Lines as in a recording, with {columns}"
    return {
        "channels": channels if given.get("rate_hz") else [],
        "units": [str(unit) for unit in units],
        "sensor_label": LABELS[kind],
        "sensor_note": note,
        "columns": columns,
        "typed_note": frames if given.get("frame_values") else "The int8 numbers of the model's input, by commas",
    }


def _script(value: JsonObject) -> str:
    """JSON that stands in a script: ASCII, so that no line separator ends a line."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)


def _digest(files: Mapping[str, bytes]) -> str:
    listed = [[name, hashlib.sha256(data).hexdigest()] for name, data in sorted(files.items())]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _render(template: str, **values: Any) -> bytes:
    text: str = _environment().get_template(template).render(**values)
    return text.encode()


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html.j2"]),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
