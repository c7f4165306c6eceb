"""Damage, other tools than the lock's, bad data, a full disk: one clear error, its exit code, nothing lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.projects import (
    STREAM,
    TRAINED,
    Repository,
    applied,
    applied_finished,
    fleet,
    locked,
    recordings,
    repository,
)

pytestmark = pytest.mark.build

FLEETS = "specs/fleets.yaml"
DATA = "specs/data.yaml"
LOCK = "specs/tinyops.lock.yaml"


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    """A finished model in one release."""
    return applied_finished().copy(tmp_path / "bench")


@pytest.fixture
def trained(tmp_path: Path) -> Repository:
    return applied().copy(tmp_path / "bench")


def damage(path: Path) -> None:
    """Turns one bit of a file around."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def output(bench: Repository, step: str, name: str) -> str:
    digest: str = bench.manifest()["steps"][step]["outputs"][name]["digest"]
    return digest


def in_store(bench: Repository, step: str, name: str) -> Path:
    hexdigest = output(bench, step, name).removeprefix("sha256:")
    return bench.root / ".tinyops" / "store" / "objects" / hexdigest[:2] / hexdigest[2:]


def in_release(bench: Repository, step: str, name: str) -> Path:
    asset = bench.manifest()["assets"][output(bench, step, name)]
    return bench.releases / asset["tag"] / asset["asset"]


def want_smaller(bench: Repository, model: str) -> None:
    """A change after which compile runs again: it needs the released int8 model."""
    bench.edit(
        FLEETS,
        f"metadata: {{name: {model}}}\nspec:\n",
        f"metadata: {{name: {model}}}\nspec:\n  squeeze: {{prefer: size}}\n",
    )


# -- the store and the release -----------------------------------------------------------------


def test_a_damaged_store_entry_is_fetched_from_the_release(trained: Repository) -> None:
    entry = in_store(trained, "squeeze:motion/int8", "int8.tflite")
    whole = entry.read_bytes()
    damage(entry)
    want_smaller(trained, "motion")
    done = trained.ok("apply")
    assert "compile motion/linux" in done.built
    assert not any(step.startswith(("train", "quantise")) for step in done.built)
    assert entry.read_bytes() == whole


def test_a_damaged_store_entry_that_no_release_holds_is_built_again(bench: Repository) -> None:
    entry = in_store(bench, "compile:tiny/linux", "model.c")
    whole = entry.read_bytes()
    damage(entry)
    done = bench.ok("apply", "--replace", "image:tiny/linux")
    assert done.built[:2] == ["compile tiny/linux", "build image tiny/linux"]
    assert entry.read_bytes() == whole
    assert bench.run("plan", "--detailed-exitcode").code == 0


def test_lost_weights_are_trained_again_only_when_insisted_on(trained: Repository) -> None:
    before = trained.digests()
    asset = in_release(trained, "train:motion", "float.tflite")
    damage(asset)
    trained.clear_store()
    retrain = ("apply", "--replace", "squeeze:motion/int8")
    done = trained.run(*retrain)
    assert done.code == 68
    assert "weights lost: train:motion is released, but its file" in done.err
    assert "retrain with `--replace train:motion`: its images will change" in done.err
    assert (trained.digests(), trained.manifest()["version"]) == (before, 1)
    assert "train motion" not in done.built
    insisted = trained.ok(*retrain, "--replace", "train:motion")
    assert "train motion" in insisted.built
    assert trained.run("plan", "--detailed-exitcode").code == 0


def test_a_damaged_released_asset_is_never_carried_into_the_next_release(bench: Repository) -> None:
    damage(in_release(bench, "image:tiny/linux", "model.so"))
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")
    done = bench.run("apply")
    assert done.code == 69
    assert "released asset is damaged" in done.err
    assert "copy it back from another copy of the store" in done.err
    assert bench.manifest()["version"] == 1


def sign_otherwise(bench: Repository) -> None:
    """The manifest with its signature by a key that nobody trusts."""
    bench.write("other.pem", "")
    path = bench.releases / "v1" / "manifest.json"
    text = path.read_text()
    value = json.loads(text)
    signature = value["signatures"][0]
    name = next(n for n in ("sig", "signature") if n in signature)
    signature[name] = ("A" if signature[name][0] != "A" else "B") + signature[name][1:]
    path.chmod(0o644)
    path.write_text(json.dumps(value))


def point_to_nothing(bench: Repository) -> None:
    """A version that has a number but no manifest."""
    (bench.releases / "v7").mkdir()


def rename_release(bench: Repository) -> None:
    """An old release under a newer number."""
    shutil.copytree(bench.releases / "v1", bench.releases / "v2")


@pytest.mark.parametrize("tamper", [sign_otherwise, point_to_nothing, rename_release])
@pytest.mark.parametrize("command", ["plan", "apply", "show"])
def test_a_release_that_cannot_be_trusted_is_refused(
    bench: Repository, tamper: Callable[[Repository], None], command: str
) -> None:
    tamper(bench)
    done = bench.run(command, "--json")
    assert done.code == 69
    assert str(bench.releases) in done.json["error"]["message"]


def test_without_the_trusted_key_nothing_is_planned_over_a_release(bench: Repository) -> None:
    (bench.root / ".tinyops" / "trusted.pem").unlink()
    done = bench.run("plan")
    assert done.code == 64
    assert "holds releases, but no key is trusted here" in done.err


# -- other tools -------------------------------------------------------------------------------


AGAIN = ("--replace", "image:tiny/microbit")


def fake_tool(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n")
    (folder / name).chmod(0o755)


def path_without(folder: Path, *missing: str) -> str:
    """A PATH of links to every program here but some."""
    folder.mkdir()
    for place in os.get_exec_path():
        for tool in Path(place).glob("*"):
            link = folder / tool.name
            if not tool.name.startswith(missing) and not link.exists() and not link.is_symlink():
                link.symlink_to(tool)
    return str(folder)


def test_a_missing_compiler_is_named_with_its_package(tmp_path: Path, bench: Repository) -> None:
    before = bench.digests()
    done = bench.run("apply", *AGAIN, PATH=path_without(tmp_path / "bin", "arm-none-eabi-"))
    assert done.code == 70
    assert "arm-none-eabi-gcc is not on PATH" in done.err
    assert "on Debian or Ubuntu: apt-get install gcc-arm-none-eabi" in done.err
    assert (bench.digests(), bench.manifest()["version"]) == (before, 1)
    assert bench.ok("apply", *AGAIN).built == ["build image tiny/microbit"]
    assert bench.digests() == before


def test_another_compiler_than_the_locks_is_refused_with_both_versions(tmp_path: Path, bench: Repository) -> None:
    fake_tool(tmp_path / "bin", "arm-none-eabi-gcc", "arm-none-eabi-gcc (Some Toolchain) 13.9.1 20261103")
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = bench.run("apply", *AGAIN, **env)
    assert done.code == 70
    wanted = next(line for line in (bench.root / LOCK).read_text().splitlines() if "arm-none-eabi-gcc" in line)
    version = wanted.split('"')[1]
    assert (
        f"arm-none-eabi-gcc: the lock wants {version}, {tmp_path / 'bin' / 'arm-none-eabi-gcc'} is 13.9.1" in done.err
    )
    assert "use the devcontainer, or run `tinyops lock`" in done.err
    checked = bench.run("lock", "--check", **env)
    assert checked.code == 70
    assert "compilers.arm-none-eabi-gcc" in checked.err
    assert "13.9.1" in checked.err


def test_other_python_packages_than_the_locks_are_refused_with_both_versions(bench: Repository) -> None:
    line = next(line for line in (bench.root / LOCK).read_text().splitlines() if "tflite-micro" in line)
    bench.edit(LOCK, line, '  tflite-micro: "0.dev1"')
    done = bench.run("apply")
    assert done.code == 70
    found = line.split('"')[1]
    assert f"tflite-micro: the lock wants 0.dev1, installed is {found}" in done.err
    assert "pip install" in done.err
    assert bench.run("lock", "--check").code == 70
    assert bench.manifest()["version"] == 1


def test_a_lock_that_lags_behind_the_specs_is_refused(bench: Repository) -> None:
    bench.edit(FLEETS, "    microbit:", f"    nano33ble: {{sensor: {STREAM}}}\n    microbit:")
    for command in (["plan"], ["apply"], ["lock", "--check"]):
        done = bench.run(*command)
        assert done.code == 65
        assert f"{LOCK}:" in done.err
        assert "nano33ble" in done.err


# -- data --------------------------------------------------------------------------------------


def change_a_recording(bench: Repository) -> None:
    (bench.root / "data" / "rest-00.csv").write_text("ax,ay\n1,1\n")


def remove_a_recording(bench: Repository) -> None:
    (bench.root / "data" / "rest-00.csv").unlink()


def put(text: str) -> Callable[[Repository], None]:
    """A recording that says this, honestly indexed."""

    def edit(bench: Repository) -> None:
        path = bench.root / "data" / "rest-00.csv"
        old = hashlib.sha256(path.read_bytes()).hexdigest()
        path.write_text(text)
        bench.edit("data/shakes.index", old, hashlib.sha256(text.encode()).hexdigest())

    return edit


def one_class_only(bench: Repository) -> None:
    index = bench.root / "data" / "shakes.index"
    index.write_text("".join(line for line in index.read_text().splitlines(True) if " rest " in line))


def fewer_than_classes(bench: Repository) -> None:
    index = bench.root / "data" / "shakes.index"
    index.write_text("".join(index.read_text().splitlines(True)[:1]))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change_a_recording, "rest-00.csv: has changed: the index says"),
        (remove_a_recording, "rest-00.csv: the file is missing"),
        (put("ax,ay\n" + "0,0\n" * 9 + "nan,0\n" + "0,0\n" * 10), "nan in frame 9, channel ax"),
        (put("ax,ay\n" + "0,0\n" * 9 + "0,inf\n" + "0,0\n" * 10), "inf in frame 9, channel ay"),
        (one_class_only, "one class"),
        (fewer_than_classes, "shakes"),
    ],
)
def test_bad_data_is_named_and_nothing_is_built_from_it(
    tmp_path: Path, edit: Callable[[Repository], None], message: str
) -> None:
    bench = repository(tmp_path / "bench", TRAINED, fleet("wrist", "motion", {"linux": STREAM}))
    edit(bench)
    locked(bench)
    done = bench.run("apply", "--json")
    assert done.code == 65
    assert message in json.dumps(done.json["errors"])
    assert list(done.json["errors"]) == ["collect:shakes"]
    assert done.json["version"] == 0
    recordings(bench.root / "data")


WHEEL = "{kind: wheel, package: shakes, version: '1.0', sha256: 'sha256:SHA', members: ['shakes/*.csv'], format: csv}"


def test_a_wheel_with_another_digest_is_not_used(tmp_path: Path) -> None:
    bench = repository(tmp_path / "bench", TRAINED, fleet("wrist", "motion", {"linux": STREAM}))
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "shakes-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("shakes/rest.csv", "ax,ay\n0,0\n")
        for name, text in (("METADATA", "Metadata-Version: 2.1\nName: shakes\nVersion: 1.0\n"), ("RECORD", "")):
            archive.writestr(f"shakes-1.0.dist-info/{name}", text)
        archive.writestr("shakes-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    bench.edit(DATA, "{kind: files, index: ../data/shakes.index, format: csv}", WHEEL.replace("SHA", "0" * 64))
    locked(bench)
    done = bench.run("apply", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(links), PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert done.code == 69
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert f"the spec pins sha256:{'0' * 64}, what pip fetched is sha256:{found}" in done.err
    assert not [p for p in (bench.root / "cache").rglob("*") if p.is_file()]
    missing = bench.run("apply", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "cache"))
    assert missing.code == 69
    assert "pip could not fetch it" in missing.err


# -- a full disk -------------------------------------------------------------------------------


def can_mount() -> bool:
    unshare = shutil.which("unshare")
    probe = "mount -t tmpfs -o size=64k tinyops /mnt"
    return (
        unshare is not None and subprocess.run([unshare, "-rm", "sh", "-c", probe], capture_output=True).returncode == 0
    )


@pytest.mark.parametrize("kilobytes", [16, 96])
def test_a_full_disk_ends_in_one_sentence_and_the_next_run_carries_on(tmp_path: Path, kilobytes: int) -> None:
    if not can_mount():
        pytest.skip("this machine lets nobody mount a small disk")
    bench = applied_finished().copy(tmp_path / "bench")
    shutil.rmtree(bench.releases)
    bench.clear_store()
    small = bench.root / ".tinyops" / "store"
    keep = tmp_path / "kept"
    keep.mkdir()
    small.mkdir()
    script = (
        f'mount -t tmpfs -o size={kilobytes}k tinyops "$1" || exit 99\n'
        'store=$1 keep=$2; shift 2; "$@"; status=$?; cp -r "$store/." "$keep"; exit $status'
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(small), str(keep), *bench.command("apply")]
    done = subprocess.run(command, cwd=bench.root, env=bench.environment(), capture_output=True, text=True)
    assert done.returncode == 70, done.stderr
    assert "cannot be written: No space left on device" in done.stderr
    assert "free some space and run the same command again: finished steps are kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(bench.releases.glob("v*"))
    shutil.copytree(keep, small, dirs_exist_ok=True)
    finished = {line.split(" done in")[0].strip() for line in done.stderr.splitlines() if " done in" in line}
    again = bench.ok("apply")
    assert again.out.startswith("Published v1")
    assert not finished & {" ".join(step.split()) for step in again.built}
    assert bench.digests() == applied_finished().digests()


def test_a_disk_that_is_full_while_publishing_leaves_no_half_release(tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("this machine lets nobody mount a small disk")
    bench = applied_finished().copy(tmp_path / "bench")
    shutil.rmtree(bench.releases)
    bench.releases.mkdir()
    script = (
        'mount -t tmpfs -o size=48k tinyops "$1" || exit 99; r=$1; shift; "$@"; status=$?; ls -A "$r"; exit $status'
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(bench.releases), *bench.command("apply")]
    done = subprocess.run(command, cwd=bench.root, env=bench.environment(), capture_output=True, text=True)
    assert done.returncode == 70, done.stderr
    assert "No space left on device" in done.stderr
    assert done.stdout.split() == [".lease"]
    assert bench.ok("apply").out.startswith("Published v1")
