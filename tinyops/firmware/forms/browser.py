"""A page for phones: rendered from the fleet's specs, released as one zip file that a web server unpacks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tinyops.artifacts import Progress
from tinyops.boards.model import BoardSpec
from tinyops.files import JsonObject, pretty_json, write_atomic
from tinyops.firmware.archive import pack
from tinyops.firmware.building import check_sources
from tinyops.firmware.contract import read_contract
from tinyops.firmware.forms import browser_collector, browser_part
from tinyops.firmware.forms.form import Form, Request, Work
from tinyops.firmware.project import RUNTIME
from tinyops.firmware.templating import render
from tinyops.specs.acts import HttpAct, http_act

PORT = "browser"
SOURCES = RUNTIME / "port" / "browser"
ZIP = "page.zip"
RELEASES = "../releases/"  # beside the page's folder: a browser fetches from where the page came from
GRAVITY = "motion-with-gravity"  # the sensor whose readings keep what the phone's own axes feel of it
# No script or style in the page itself, nothing from elsewhere; WebAssembly may be compiled.
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "img-src 'self'"),
        *(
            "connect-src 'self'{also}",
            "worker-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ),
    )
)
LABELS = {"motion": "Motion", "microphone": "Microphone"}
NOTES = {
    "motion": "Reads this phone's motion sensors, resampled to {rate:g} a second, in {units}{gravity}.",
    "microphone": "Listens to this phone's microphone, resampled to {rate:g} samples a second. No sound leaves it.",
}


class BrowserForm(Form):
    """For boards that are a browser: what flashing is to others, opening the page is to them."""

    def serves(self, spec: BoardSpec) -> bool:
        return spec.port == PORT

    def render(self, request: Request) -> dict[str, bytes]:
        """Every file of the page by its name, sorted: a pure function of specs, templates and the public keys given.

        Raises SpecError for what is no contract.
        """
        contract, sensor, post = request.contract, request.sensor, http_act(request.acts)
        place = browser_part.check_place(request) if request.chain is not None else None
        digest = request.contract_digest.removeprefix("sha256:")
        gravity = (sensor.get("name") if isinstance(sensor, dict) else sensor) == GRAVITY
        if request.collects:
            return browser_collector.render_page(request, SOURCES, _policy(None), gravity=gravity)
        _check(contract)
        # What a release calls it: a part of a chain has a name of its own.
        name = place.names[-1] if place is not None else request.board
        page: JsonObject = {"fleet": request.fleet, "board": name, "contractDigest": digest}
        page |= {"contract": contract, "gravity": gravity, "releases": RELEASES, **_post(post)}
        common = {"fleet": request.fleet, "board": request.board, "title": request.spec.title}
        policy = _policy(post, browser_part.sockets(place) if place is not None else "")
        common |= {"policy": policy, "contract_digest": digest, "post": _origin(post) if post else ""}
        if place is not None:
            files = browser_part.page_files(SOURCES, request.board, place)
            files["index.html"] = _page("chain.html.j2", **common, kind=place.upstream_kind)
        else:
            files = {path.name: path.read_bytes() for path in SOURCES.iterdir() if path.is_file()}
            files["index.html"] = _page("index.html.j2", **common, **_words(contract["input"], gravity))
        files["page.js"] = _page("page.js.j2", page=_script(page))
        files["trust.js"] = _page("trust.js.j2", trust=_script(request.trust))
        long, short = json.dumps(f"{request.fleet} · tinyops"), json.dumps(request.fleet[:12])
        files["manifest.webmanifest"] = _page("manifest.webmanifest.j2", name=long, short_name=short)
        module = browser_part.module_sources() if place is not None else {}
        files["sw.js"] = _keeper(request, files, (browser_part.MODULE,) if place is not None else ())
        return dict(sorted({**files, **module}.items()))

    def build(self, work: Work) -> JsonObject:
        """Writes the page's folder and its zip. Raises ToolError where the lock wants another tinyops."""
        work.report(Progress(0, 1, f"rendering the page for {work.request.board}"))
        check_sources(work.step)
        files = _with_module(work) if work.request.chain is not None else work.files
        browser_part.write_files(work.out / "page", files)
        packed = pack(files)
        write_atomic(work.out / ZIP, packed)
        facts: JsonObject = {
            "image": True,
            "port": work.request.spec.port,
            "contract": work.request.contract_digest,
            "files": len(files),
            "page_bytes": sum(map(len, files.values())),
            "zip_bytes": len(packed),
            "trusted_keys": sorted(work.request.trust["keys"]),
        }
        (work.out / "firmware.json").write_bytes(pretty_json(facts))
        return facts


def _keeper(request: Request, files: Mapping[str, bytes], made: tuple[str, ...] = ()) -> bytes:
    """The script that keeps the page's files, and those that its build makes: another one whenever they are others."""
    listed = json.dumps([f"./{name}" for name in sorted({*files, *made})], indent=2)
    whose = {"fleet": request.fleet, "board": request.board}
    return _page("sw.js.j2", **whose, digest=_digest(files), files=listed)


def _with_module(work: Work) -> dict[str, bytes]:
    """The page of a part, with what is compiled for it."""
    kept = {name: data for name, data in work.files.items() if not name.startswith(browser_part.C_FOLDER)}
    files = {name: data for name, data in kept.items() if name != "sw.js"}
    files[browser_part.MODULE] = browser_part.build_module(work)
    return dict(sorted({**files, "sw.js": _keeper(work.request, files)}.items()))


def _post(post: HttpAct | None) -> JsonObject:
    return {"post": {"url": post.url, "onlyChanges": post.only_changes}} if post else {}


def _origin(post: HttpAct) -> str:
    return f"{post.parts.scheme}://{post.parts.netloc}"


def _policy(post: HttpAct | None, also: str = "") -> str:
    """The page may send to itself, where the fleet's results go, and to what is named."""
    return POLICY.format(also=(f" {_origin(post)}" if post else "") + also)


def _page(template: str, **values: Any) -> bytes:
    return render(f"browser/{template}", **values)


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
