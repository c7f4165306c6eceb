"""A phone as a collector: a page that records its sensors into takes, for people to save or to send."""

from __future__ import annotations

import json
from pathlib import Path

from tinyops.files import JsonObject
from tinyops.firmware.forms.form import Request
from tinyops.firmware.templating import render

# Of the application's page: what a collector shares.
SHARED = (
    *("counts.js", "icon.svg", "microphone.js", "plot.js", "posting.js", "resample.js", "sensors.js"),
    *("storage.js", "style.css"),
)
COLLECT = "collect"  # below the page's sources: what only a collector has
RECEIVER = "/v1/files"  # where `tinyops collect serve` takes whole files, on the page's own server
NOTES = {
    "motion": "Reads this phone's motion sensors, resampled to {rate:g} a second, in {units}{gravity}.",
    "microphone": "Listens to this phone's microphone, resampled to {rate:g} samples a second.",
}


def render_page(request: Request, sources: Path, policy: str, *, gravity: bool) -> dict[str, bytes]:
    """Every file of the page by its name, sorted."""
    request.fitting_contract()
    given, digest = request.contract["input"], request.contract_digest.removeprefix("sha256:")
    channels, units = [str(c) for c in given["channels"]], [str(u) for u in given["units"]]
    page: JsonObject = {"fleet": request.fleet, "board": request.board, "contractDigest": digest}
    page |= {"contract": request.contract, "gravity": gravity, "receiver": RECEIVER}
    kind = "microphone" if given["sensor"] == "microphone" and len(channels) == 1 else "motion"
    note = NOTES[kind].format(
        rate=given["rate_hz"] or 0,
        units=", ".join(dict.fromkeys(units)).replace("s2", "s²"),
        gravity="" if gravity else "; gravity is removed",
    )
    values: JsonObject = {"dataset": request.fleet, "title": request.spec.title, "policy": policy}
    values |= {"contract_digest": digest, "channels": channels, "units": units, "sensor_note": note}
    script = json.dumps(page, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    files = {name: (sources / name).read_bytes() for name in SHARED}
    files |= {path.name: path.read_bytes() for path in (sources / COLLECT).iterdir() if path.is_file()}
    files["index.html"] = render("browser/collect.html.j2", **values)
    files["page.js"] = render("browser/page.js.j2", page=script)
    return dict(sorted(files.items()))
