"""What a release holds: the same bytes wherever it is built, and no secret anywhere."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from imgtool.main import imgtool

from fakes.projects import FINISHED, KEY, STREAM, Repository, applied, applied_finished, fleet, locked, repository
from tinyops.artifacts import Step
from tinyops.boards import load_catalog
from tinyops.build.choice.measure import MODEL_INPUTS, cost
from tinyops.images import Kind
from tinyops.images.definition import HEADER_BYTES
from tinyops.manifest.keys import load_trust
from tinyops.reconcile.virtual import released_board
from tinyops.reconcile.world import observe
from tinyops.release.secrets import load_signing_key

pytestmark = pytest.mark.build

BUILT = [
    *(f"{kind}:motion/{board}" for kind in ("compile", "image") for board in ("linux", "microbit")),
    *("firmware:wrist/microbit", "compile:tiny/linux", "image:tiny/linux"),
]
PARTS = ("compile:motion/microbit", "image:motion/microbit", "twin:wrist/microbit")


def test_another_folder_another_store_the_same_weights_the_same_bytes(tmp_path: Path) -> None:
    first = applied()
    second = first.copy(tmp_path / "somewhere else" / "with a longer name")
    second.clear_store()
    shutil.rmtree(second.root / "cache", ignore_errors=True)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    replace = [part for step in BUILT for part in ("--replace", step)]
    done = second.ok("apply", *replace, TMPDIR=str(scratch), LANG="C", TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="1")
    assert {f"compile {m}" for m in ("motion/linux", "motion/microbit", "tiny/linux")} <= set(done.built)
    assert "build firmware wrist/microbit" in done.built
    assert not any(step.startswith("train") for step in done.built)
    assert second.digests() == first.digests()
    for step in BUILT:
        assert second.manifest()["steps"][step]["outputs"] == first.manifest()["steps"][step]["outputs"], step


def test_a_release_names_no_place_on_this_machine(tmp_path: Path) -> None:
    first = applied()
    places = [
        str(first.root).encode(),
        str(Path(__file__).parents[2]).encode() + b"/",
        str(Path.home()).encode() + b"/",
    ]
    for path in first.releases.rglob("*"):
        if path.is_file() and path.name != "manifest.json" and ".lease" not in path.parts:
            data = path.read_bytes()
            assert not [place for place in places if place in data], path


def secrets_of(pem: str) -> list[bytes]:
    """Every form in which a private key could leak."""
    body = "".join(line for line in pem.splitlines() if "-----" not in line)
    seed = base64.b64decode(body)[-32:]
    return [body.encode(), seed, seed.hex().encode(), base64.b64encode(seed), base64.urlsafe_b64encode(seed)]


@pytest.mark.parametrize("given", ["file", "variable"])
def test_no_secret_is_anywhere_but_where_it_was_put(tmp_path: Path, given: str) -> None:
    bench = locked(
        repository(tmp_path / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM, "microbit": STREAM}))
    )
    bench.ok("keys", "new", "TINYOPS_SPARE_KEY")
    folder = bench.root / ".tinyops" / "secrets"
    pem = (folder / KEY).read_text()
    env = {}
    if given == "variable":
        (folder / KEY).unlink()
        env[KEY] = pem
    logs = [bench.ok(*argv, **env) for argv in (["plan", "--out", "plan.json"], ["apply"], ["apply", "--json"])]
    logs += [bench.ok(*argv, **env) for argv in (["show", "--json"], ["render"], ["keys", "list", "--json"])]
    drive = bench.root / "drive"
    drive.mkdir()
    (drive / "DETAILS.TXT").write_text("# DAPLink Firmware\nUnique ID: 9900\n")
    logs.append(bench.ok("flash", "microbit", "--drive", drive, **env))
    spare = (folder / "TINYOPS_SPARE_KEY").read_text()
    logs.append(bench.ok("keys", "rotate"))
    kept = {path.read_text() for path in folder.iterdir()}
    assert spare in kept and (given == "variable" or pem in kept)
    canaries = [form for text in {pem, *kept} for form in secrets_of(text)]
    assert len(canaries) == 5 * 3  # the key that signed, the spare that signs now, the new spare
    texts = [(text.out + text.err).encode() for text in logs]
    files = [p.read_bytes() for p in bench.root.rglob("*") if p.is_file() and p.parent != folder]
    assert len(files) > 50
    assert not [c for c in canaries for data in (*texts, *files) if c in data]
    assert bench.releases.joinpath("v1", "manifest.json").is_file()


def test_images_of_slots_are_signed_and_imgtool_accepts_them(tmp_path: Path) -> None:
    made = applied()
    (offered,) = (e["boards"]["microbit"] for e in made.manifest()["fleets"].values() if "microbit" in e["boards"])
    key = load_signing_key(KEY, made.root, {}).public
    (tmp_path / "key.pem").write_bytes(key.to_pem())
    assert set(offered["images"]) == {"model", "firmware_a", "firmware_b"} and offered["bootloader"]
    proven = made.manifest()["steps"]["twin:wrist/microbit"]["facts"]["images"]
    for slot, file in offered["images"].items():
        path = made.releases / file["tag"] / file["asset"]
        done = CliRunner().invoke(imgtool, ["verify", "-k", str(tmp_path / "key.pem"), str(path)])
        assert done.exit_code == 0 and file["image"] in done.output, done.output
        assert proven[f"{slot}.img"] == f"sha256:{file['image']}" and file["signed_by"] == key.key_id


def test_a_rotation_leaves_images_as_they_are_until_the_former_key_is_trusted_no_more(tmp_path: Path) -> None:
    bench = applied_finished().copy(tmp_path / "bench")
    bench.ok("keys", "new", "TINYOPS_SPARE_KEY")
    former, spare = (load_signing_key(name, bench.root, {}).public for name in (KEY, "TINYOPS_SPARE_KEY"))
    bench.write("specs/trusted.pem", former.to_pem() + spare.to_pem())

    def images() -> dict[str, Any]:
        return dict(bench.manifest()["fleets"]["desk"]["boards"]["microbit"]["images"])

    first = images()
    assert {image["signed_by"] for image in first.values()} == {former.key_id}
    bench.ok("keys", "rotate")
    refused = bench.run("apply")
    assert refused.code == 68 and "the next release would be with" in refused.err
    bench.lift("signing_key")
    assert "another key" in bench.ok("plan").out
    assert bench.ok("apply").built == []
    assert bench.manifest()["signed_by"] == [spare.key_id] and images() == first

    (fresh,) = set(load_trust(bench.root / "specs/trusted.pem").keys.values()) - {former, spare}
    bench.write("specs/trusted.pem", spare.to_pem() + fresh.to_pem())
    plan = bench.ok("plan")
    assert "distrusted_keys" in plan.out, plan.out
    done = bench.ok("apply")
    assert done.built == []
    now = images()
    assert {image["signed_by"] for image in now.values()} == {spare.key_id}
    assert {slot: image["image"] for slot, image in now.items()} == {s: image["image"] for s, image in first.items()}
    assert bench.run("plan", "--detailed-exitcode").code == 0


def test_a_key_that_is_no_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    bench: Repository = locked(repository(tmp_path / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM})))
    done = bench.run("apply", "--json", TINYOPS_IMAGE_KEY="canary-7c1f")
    assert done.code == 65
    assert "canary-7c1f" not in done.out + done.err
    assert KEY in done.json["error"]["message"]


def test_a_fault_is_mapped_with_the_released_files(tmp_path: Path) -> None:
    made = applied()
    firmware, model = (
        next(made.releases.rglob(f"{step}.{file}")).read_bytes()
        for step, file in (("firmware.wrist.microbit", "firmware.bin"), ("image.motion.microbit", "model.bin"))
    )
    invoke = int.from_bytes(model[56:60], "little") & ~1  # the header's entry point
    layout = load_catalog()["microbit"].spec.layout
    assert layout is not None
    start = layout.model[1].origin + HEADER_BYTES[Kind.MODEL]  # the second slot
    fault = {"pc": start + invoke, "lr": 0, "psr": 0x01000000, "board": "microbit", "fleet": "wrist"}
    fault |= {"firmware_crc": zlib.crc32(firmware), "image_crc": zlib.crc32(model)}
    (tmp_path / "record.json").write_text(json.dumps(fault))
    found = made.ok("crash", tmp_path / "record.json", "--json").json
    place = found["places"][0]
    assert (place["program"], place["function"]) == ("model", "tinyops_model_invoke")
    assert place["file"] == "model.c" and place["line"] > 1 and found["notes"] == []
    (tmp_path / "record.json").write_text(json.dumps(fault | {"firmware_crc": 1, "image_crc": 2}))
    found = made.ok("crash", tmp_path / "record.json", "--json").json
    assert found["places"][0]["program"] is None and "no ELF of the firmware" in found["notes"][0]


def test_what_a_variant_costs_on_a_board_is_what_its_release_tells(tmp_path: Path) -> None:
    made = applied()
    world, steps = observe(made.root), made.manifest()["steps"]
    parts = {step.kind: step for step in world.steps if step.id in PARTS}
    settings = {kind: step.settings for kind, step in parts.items()}
    locks = {"parts": {kind: step.lock for kind, step in parts.items()}}
    files = released_board(world, "microbit", "wrist").files
    for name in MODEL_INPUTS:
        path = world.store.find(world.released_records["squeeze:motion/int8"].outputs[name])
        assert path is not None, name
        files[name] = path
    found = cost(Step("cost", "motion/int8/microbit", settings, locks), files, tmp_path, lambda _: None)
    told = steps["twin:wrist/microbit"]["facts"]
    for figure in ("flash_bytes", "ram_bytes", "stack_bytes", "instructions"):
        assert found[figure] == told[figure] > 0, figure
    assert found["image_bytes"] == steps["image:motion/microbit"]["facts"]["image_bytes"]
    assert (found["unfit"], found["proof"]) == ("", told["proof"]["model"])
