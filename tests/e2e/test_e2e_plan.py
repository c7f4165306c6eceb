"""What plan says after a release, and what apply does about it: nothing that did not change is built again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.projects import Ended, Repository, applied

pytestmark = pytest.mark.build

LOCK = "specs/tinyops.lock.yaml"
FLEETS = "specs/fleets.yaml"


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    return applied().copy(tmp_path / "bench")


def changes(done: Ended) -> dict[str, str]:
    """What is not kept, by step or fleet."""
    found = done.json["changes"]
    return {
        f"{c['kind']}:{c['subject']}": c["action"] for c in found if c["action"] != "keep" and c["kind"] != "release"
    }


def reasons(done: Ended, step: str) -> list[tuple[str, str, str]]:
    (found,) = [c for c in done.json["changes"] if f"{c['kind']}:{c['subject']}" == step]
    return [(r["field"], r["old"], r["new"]) for r in found["reasons"]]


def assert_nothing_to_do(bench: Repository, **env: str) -> None:
    done = bench.run("plan", "--detailed-exitcode", **env)
    assert done.code == 0, done.out + done.err
    assert "No changes." in done.out


def test_after_apply_there_is_nothing_to_do(bench: Repository) -> None:
    assert_nothing_to_do(bench)
    before = bench.digests()
    done = bench.ok("apply")
    assert done.out.startswith("No changes. Still released: v1")
    assert (done.built, bench.digests()) == ([], before)


def test_without_the_store_nothing_runs_again(bench: Repository) -> None:
    before = bench.digests()
    bench.clear_store()
    assert_nothing_to_do(bench)
    assert bench.ok("apply").built == []
    assert bench.digests() == before


def test_the_number_of_threads_changes_nothing(bench: Repository) -> None:
    bench.clear_store()
    threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    assert_nothing_to_do(bench, **threads)
    assert bench.ok("apply", "--jobs", "1", **threads).built == []


def test_edited_epochs_are_named_with_both_values_and_with_the_images_that_follow(bench: Repository) -> None:
    bench.edit(FLEETS, "epochs: 2", "epochs: 3")
    done = bench.run("plan", "--detailed-exitcode")
    assert done.code == 2
    assert "training.epochs 2 → 3" in done.out
    assert "follows image:motion/linux, image:motion/microbit" in done.out
    as_json = bench.run("plan", "--json", "--detailed-exitcode")
    assert as_json.code == 2
    assert reasons(as_json, "train:motion") == [("training.epochs", "2", "3")]
    assert set(changes(as_json)) == {
        *("train:motion", "squeeze:motion/int8", "fleet:wrist"),
        *(f"{kind}:motion/{board}" for kind in ("compile", "image") for board in ("linux", "microbit")),
        *(f"twin:wrist/{board}" for board in ("linux", "microbit")),
    }


def test_new_weights_leave_the_other_fleet_and_every_firmware_as_released(bench: Repository) -> None:
    before = bench.digests()
    bench.edit(FLEETS, "epochs: 2", "epochs: 3")
    done = bench.ok("apply")
    after = bench.digests()
    assert {name for name in before if before[name] != after[name]} == {"wrist/linux model", "wrist/microbit model"}
    assert "train motion" in done.built
    assert not any("firmware" in step or "desk" in step for step in done.built)
    assert_nothing_to_do(bench)


def test_other_firmware_sources_are_followed_by_firmware_and_its_proof_only(bench: Repository) -> None:
    digest = next(line for line in (bench.root / LOCK).read_text().splitlines() if "firmware:" in line)
    bench.edit(LOCK, digest, '  firmware: "sha256:' + "5" * 64 + '"')
    done = bench.run("plan", "--json")
    kinds = {name.partition(":")[0] for name in changes(done)}
    assert kinds == {"firmware", "twin", "fleet"}
    assert {field for field, _, _ in reasons(done, "firmware:wrist/microbit")} == {"lock.firmware"}
    refused = bench.run("apply")
    assert refused.code == 70
    assert "the lock wants the firmware sources of another version of tinyops" in refused.err
    assert not any(step.startswith(("train", "quantise")) for step in refused.built)
    assert bench.manifest()["version"] == 1


def test_another_compiler_of_tinyops_is_refused_before_it_compiles(bench: Repository) -> None:
    digest = next(line for line in (bench.root / LOCK).read_text().splitlines() if line.startswith("  compiler:"))
    bench.edit(LOCK, digest, '  compiler: "sha256:' + "5" * 64 + '"')
    refused = bench.run("apply")
    assert refused.code == 70
    assert "the lock wants the compiler sources of another version of tinyops" in refused.err
    assert refused.built == []


def test_what_only_the_fleet_says_builds_nothing(bench: Repository) -> None:
    before = bench.digests()
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")
    done = bench.run("plan", "--json", "--detailed-exitcode")
    assert done.code == 2
    assert changes(done) == {"fleet:desk": "update"}
    assert reasons(done, "fleet:desk") == [("security_counter", "0", "3")]
    assert bench.ok("apply").built == []
    assert bench.manifest()["version"] == 2
    assert bench.manifest()["fleets"]["desk"]["security_counter"] == 3
    assert bench.digests() == before


def test_renamed_specs_move_and_nothing_is_made_again(bench: Repository) -> None:
    before = bench.digests()
    bench.edit("specs/data.yaml", "{name: shakes}", "{name: tremors}")
    bench.edit(FLEETS, "dataset: shakes", "dataset: tremors")
    bench.edit(FLEETS, "{name: motion}", "{name: gait}")
    bench.edit(FLEETS, "model: motion", "model: gait")
    done = bench.run("plan", "--json")
    assert changes(done) == {
        **dict.fromkeys(("collect:tremors", "train:gait", "squeeze:gait/int8"), "move"),
        **{f"{kind}:gait/{board}": "move" for kind in ("compile", "image") for board in ("linux", "microbit")},
        "fleet:wrist": "update",
    }
    assert "> move    train     gait (was motion)" in bench.run("plan").out
    applied = bench.ok("apply")
    assert (applied.built, bench.digests(), bench.manifest()["fleets"]["wrist"]["model"]) == ([], before, "gait")
    assert not any("motion" in step for step in bench.manifest()["steps"])
    assert_nothing_to_do(bench)
    assert bench.ok("apply", "--replace", "image:gait/linux").built == ["build image gait/linux"]


def test_going_back_takes_what_was_released_before(bench: Repository) -> None:
    first = bench.digests()
    bench.edit(FLEETS, "epochs: 2", "epochs: 3")
    bench.ok("apply")
    assert bench.digests() != first
    bench.edit(FLEETS, "epochs: 3", "epochs: 2")
    bench.clear_store()
    done = bench.run("plan")
    assert "training.epochs 3 → 2\n        as in v1\n" in done.out
    applied = bench.ok("apply")
    assert (applied.built, bench.digests(), bench.manifest()["version"]) == ([], first, 3)
    wanted = {asset["tag"] for digest, asset in bench.manifest()["assets"].items() if digest in first.values()}
    assert wanted == {"v1"}
    assert_nothing_to_do(bench)


def test_only_moves_one_fleet_and_says_what_it_leaves(bench: Repository) -> None:
    before = bench.digests()
    bench.edit(FLEETS, "epochs: 2", "epochs: 3")
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")
    assert bench.run("plan", "--only", "model:nothing").code == 64
    held = {i for i, action in changes(bench.run("plan", "--json", "--only", "desk")).items() if action == "held"}
    assert {"train:motion", "image:motion/linux", "twin:wrist/linux", "fleet:wrist"} <= held
    bench.ok("plan", "--only", "desk", "--out", "p.json")
    assert bench.ok("apply", "p.json").built == []
    assert bench.digests() == before
    assert bench.manifest()["fleets"]["desk"]["security_counter"] == 3
    assert "not asked for" in bench.manifest()["held"][0]["reason"]
    assert "train motion" in bench.ok("apply").built
    assert bench.manifest()["held"] == []
    assert_nothing_to_do(bench)


def test_a_security_counter_never_falls(bench: Repository) -> None:
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")
    bench.ok("apply")
    bench.edit(FLEETS, "security_counter: 3", "security_counter: 2")
    done = bench.run("plan")
    assert done.code == 68
    assert "security_counter 2 is lower than the released 3" in done.err


def test_a_description_changes_nothing(bench: Repository) -> None:
    bench.edit(FLEETS, "metadata: {name: wrist}", "metadata: {name: wrist, description: On an arm.}")
    bench.edit("specs/data.yaml", "metadata: {name: shakes}", "metadata: {name: shakes, description: Two of them.}")
    assert_nothing_to_do(bench)


def test_a_fleet_without_a_spec_is_not_dropped_by_accident(bench: Repository) -> None:
    text = (bench.root / FLEETS).read_text().split("---\n")
    bench.write(FLEETS, "---\n".join(text[:-1]))
    done = bench.run("plan")
    assert done.code == 68
    assert "fleet desk is released but no spec names it" in done.err
    bench.edit(
        "specs/project.yaml", "  signing:", "  retired: [{fleet: desk, action: keep, until: 2030-01-01}]\n  signing:"
    )
    bench.ok("apply")
    assert bench.manifest()["fleets"]["desk"]["retired"]["until"] == "2030-01-01"
    assert_nothing_to_do(bench)


# -- saved plans -------------------------------------------------------------------------------


@pytest.fixture
def saved(bench: Repository) -> Path:
    """A plan that gives fleet desk another counter."""
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")
    bench.ok("plan", "--out", "p.json")
    return bench.root / "p.json"


def test_a_saved_plan_is_applied(bench: Repository, saved: Path) -> None:
    assert bench.ok("apply", "p.json").out.startswith("Published v2 of bench.")
    again = bench.run("apply", "p.json")
    assert again.code == 68
    assert "the plan is stale: release changed since it was made" in again.err


def test_a_saved_plan_replaces_what_it_says(bench: Repository) -> None:
    bench.ok("plan", "--replace", "image:tiny/linux", "--out", "p.json")
    assert bench.ok("apply", "p.json").built == ["build image tiny/linux"]


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        (FLEETS, "security_counter: 3", "security_counter: 4", "specs"),
        (LOCK, 'scons: "4', 'scons: "5', "lock"),
    ],
)
def test_a_saved_plan_of_another_world_is_refused(
    bench: Repository, saved: Path, file: str, old: str, new: str, moved: str
) -> None:
    bench.edit(file, old, new)
    done = bench.run("apply", "p.json", "--json")
    assert done.code == 68
    assert f"the plan is stale: {moved} changed since it was made" in done.json["error"]["message"]
    assert bench.manifest()["version"] == 1


def test_a_saved_plan_is_of_the_files_that_specs_name(bench: Repository) -> None:
    bench.write("specs/desk.csv", "id,board,labels,public_key,enrolled,revoked\n")
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  devices: {file: desk.csv}\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")
    bench.ok("plan", "--out", "p.json")
    bench.edit("specs/desk.csv", "id,board", "id,board ")
    done = bench.run("apply", "p.json")
    assert (done.code, "the plan is stale: files changed since it was made" in done.err) == (68, True)


def test_an_edited_plan_is_refused(bench: Repository, saved: Path) -> None:
    value = json.loads(saved.read_text())
    value["released_version"] = 9
    saved.write_text(json.dumps(value))
    done = bench.run("apply", "p.json")
    assert done.code == 64
    assert "it was edited after it was made" in done.err


def test_a_built_plan_publishes_nothing_and_apply_takes_what_it_built(bench: Repository) -> None:
    bench.edit(FLEETS, "{name: tiny}\nspec:\n", "{name: tiny}\nspec:\n  squeeze: {prefer: size}\n")
    done = bench.run("plan", "--build", "--detailed-exitcode")
    assert done.code == 2
    assert done.out.rstrip().endswith("Nothing was published.")
    assert "build image tiny/linux" in done.built or "compile tiny/linux" in done.built
    assert bench.manifest()["version"] == 1
    assert bench.ok("apply").built == []


# -- what a plan needs -------------------------------------------------------------------------

HEAVY = ("tensorflow", "keras", "platformio", "numpy", "tflite_micro", "elftools", "rich")
LOOK = f"""
import sys
from tinyops.cli import main
status = main(["plan", "--json"])
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
raise SystemExit(status)
"""


def test_a_plan_imports_no_library_of_the_steps(bench: Repository) -> None:
    command = [bench.command()[0], "-c", LOOK]
    done = subprocess.run(command, cwd=bench.root, env=bench.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


def test_a_plan_needs_no_network_and_no_compiler(bench: Repository) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody make a network namespace")
    command = [unshare, "-rn", *bench.command("plan", "--detailed-exitcode")]
    env = bench.environment(PATH="/nowhere")
    done = subprocess.run(command, cwd=bench.root, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plan_writes_nothing_but_its_cache_of_parsed_specs(bench: Repository) -> None:
    def files() -> dict[str, bytes]:
        found = (p for p in bench.root.rglob("*") if p.is_file() and "parsed" not in p.parts)
        return {str(p): p.read_bytes() for p in found}

    bench.edit(FLEETS, "epochs: 2", "epochs: 3")
    before = files()
    bench.ok("plan")
    assert files() == before
