"""Every command's exit statuses and its two ways of speaking, walked as a table: text for people, JSON for programs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.ports import free_port
from fakes.projects import FINISHED, STREAM, Repository, applied_finished, finished_model, fleet, locked, repository
from tinyops import __version__
from tinyops.cli import COMMANDS, main
from tinyops.release.lease import take
from tinyops.store import Folder

pytestmark = pytest.mark.build

FLEETS = "specs/fleets.yaml"
Edit = Callable[[Repository], object]


def nothing(bench: Repository) -> None:
    """The release is what the specs want."""


def misspell(bench: Repository) -> None:
    bench.edit(FLEETS, "microbit", "microbitt")


def more_counter(bench: Repository) -> None:
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  security_counter: 3\n")
    bench.lift("security_counter", "desk")


def with_reports(bench: Repository) -> None:
    bench.edit("specs/project.yaml", "  signing:", "  reports: {kind: directory, path: ../reports}\n  signing:")


def with_metadata(bench: Repository) -> None:
    bench.edit("specs/project.yaml", "  signing:", "  metadata: {kind: directory, path: ../metadata}\n  signing:")
    project = bench.root / "specs/project.yaml"
    bench.write("specs/project.yaml", project.read_text() + "    online: {key: {secret: TINYOPS_ONLINE_KEY}}\n")


def with_promotion(bench: Repository) -> None:
    bench.edit(
        FLEETS, "  model: tiny\n", "  model: tiny\n  promote_when: {fleet: desk, converged_share: 0, soak_h: 9}\n"
    )
    with_reports(bench)


def with_plan(bench: Repository) -> None:
    bench.ok("plan", "--out", "p.json")
    bench.write("specs/approvers.pem", (bench.root / ".tinyops/trusted.pem").read_bytes())


def suspended(bench: Repository) -> None:
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  suspended: {reason: trade fair, author: mia}\n")


def stricter(bench: Repository) -> None:
    bench.edit(FLEETS, "spec:\n  dataset: shakes\n", "spec:\n  gates: {accuracy_min: 0.9}\n  dataset: shakes\n")


def drop_fleet(bench: Repository) -> None:
    bench.write(FLEETS, (bench.root / FLEETS).read_text().split("---\n")[0])


def no_key(bench: Repository) -> None:
    more_counter(bench)
    (bench.root / ".tinyops" / "secrets" / "TINYOPS_IMAGE_KEY").unlink()


def damage_manifest(bench: Repository) -> None:
    path = bench.releases / "v1" / "manifest.json"
    path.chmod(0o644)
    path.write_text(path.read_text()[:-9])


def hold_lease(bench: Repository) -> None:
    take(bench.releases / ".lease", "a test")


_used = contextlib.ExitStack()  # for as long as the tests run


def use_store(bench: Repository) -> None:
    _used.enter_context(Folder(bench.root / ".tinyops" / "store").using())


def stale_render(bench: Repository) -> None:
    bench.run("render")
    bench.write("generated/schema/spec.json", "{}")


def large_model(bench: Repository) -> None:
    data = finished_model(inputs=40, outputs=12_000)
    bench.write("models/tiny.tflite", data)
    bench.edit(FLEETS, hashlib.sha256(finished_model()).hexdigest(), hashlib.sha256(data).hexdigest())
    bench.edit(
        FLEETS, "  dataset: shakes\n  input: {window_s: 1, hop_s: 1, features: [raw]}", "  input: {features: [tensor]}"
    )


AGENT = (
    *("agent", "--once", "--store", ".tinyops/releases", "--trust", ".tinyops/trusted.pem", "--board", "linux"),
    *("--state", "state", "--fleet"),
)
FREE = "tcp-listen:127.0.0.1:FREE"  # a free port is asked for when the command runs
PLAIN_LOCK = ("--lock", "specs/tinyops.lock.yaml")


@dataclass(frozen=True)
class Walk:
    """A command in a world, its exit status, and words of its text or message."""

    argv: tuple[str, ...]
    code: int
    words: str
    edit: Edit = nothing


WALKS = [
    Walk(("init", "fresh"), 0, "fresh: "),
    Walk(("init",), 64, "DIR"),
    Walk(("init", "."), 64, "overwrites nothing"),
    Walk(("init", "fresh", "--board", "nano33bel"), 64, "nano33ble"),
    Walk(("init", "fresh", "--from", "nowhere.tflite"), 64, "no such file"),
    Walk(("init", "fresh", "--from", "data/rest-00.csv"), 65, "is no .tflite file"),
    Walk(("doctor", "--colour"), 64, "--colour"),
    Walk(("boards",), 0, "microbit"),
    Walk(("boards", "pico"), 0, "RP2040"),
    Walk(("boards", "nothere"), 64, "not in the catalogue"),
    Walk(("identify",), 0, "this machine"),
    Walk(("identify", "--colour"), 64, "--colour"),
    Walk(("twin", "nothere"), 64, "not in the catalogue"),
    Walk(("flash", "nothere"), 64, "not in the catalogue"),
    Walk(("enrol",), 64, "--fleet"),
    Walk(("update",), 64, "no device is named"),
    Walk(("update", "/dev/nothere"), 70, "/dev/nothere"),
    Walk(("update", "gopher://nothere"), 64, "gopher"),
    Walk(("bridge", FREE, FREE, "--idle-s", "0.1"), 0, "0 bytes from it"),
    Walk(("bridge",), 64, "ONE"),
    Walk(("bridge", "tpc:host:1", "tcp:host:1"), 64, "tcp:"),
    Walk(("bridge", "tcp:host:1", "tcp:host:1"), 64, "the same"),
    Walk(("bridge", "tcp-listen:203.0.113.9:1", "tcp:host:1"), 70, "cannot be listened at"),
    Walk(("crash",), 64, "PORT|RECORD.json"),
    Walk(("validate",), 0, "All specs are valid: 1 dataset, 1 model, 1 fleet."),
    Walk(("validate", "twice"), 64, "twice"),
    Walk(("validate",), 65, "microbit", misspell),
    Walk(("validate", "-C", "data"), 64, "has no specs folder"),
    Walk(("lock",), 0, "no change"),
    Walk(("lock", "--check"), 0, "agrees"),
    Walk(("lock", "--out"), 64, "--out"),
    Walk(("lock",), 65, "microbit", misspell),
    Walk(("render",), 0, "generated/: "),
    Walk(("render", "--chek"), 64, "--chek"),
    Walk(("render", "--check"), 65, "is not what `tinyops render` writes", stale_render),
    Walk(("render",), 65, "microbit", misspell),
    Walk(("collect", "firmware", "shakes", "linux", "--out", "made"), 0, "made: a collector of linux for shakes"),
    Walk(("collect", "firmware", "shakes", "lunix"), 64, "linux"),
    Walk(("collect", "shakes"), 64, "--port"),
    Walk(("collect", "shakes", "--stdin"), 64, "recordings"),
    Walk(("data", "check"), 0, "shakes"),
    Walk(("data", "card"), 0, "shakes"),
    Walk(("data", "card", "shaked"), 64, "shaked"),
    Walk(("data", "stats"), 64, "which dataset with a source of recordings? there are none"),
    Walk(("data", "stats", "shake"), 64, "shakes"),
    Walk(("data",), 64, "VERB"),
    Walk(("features", "shakes", "--text"), 0, "rest"),
    Walk(("features", "shake"), 64, "shakes"),
    Walk(("label", "shakes"), 64, "recordings"),
    Walk(("label",), 64, "DATASET"),
    Walk(("plan",), 0, "No changes."),
    Walk(("plan", *PLAIN_LOCK), 0, "No changes."),
    Walk(("plan",), 0, "security_counter 0 → 3", more_counter),
    Walk(("plan", "--detailed-exitcode"), 2, "security_counter 0 → 3", more_counter),
    Walk(("plan", "--jobs", "0"), 64, "--jobs"),
    Walk(("plan", "--replace", "train:nothing"), 64, "no such step"),
    Walk(("plan", "--lock", "nowhere.yaml"), 65, "there is no lock"),
    Walk(("plan",), 65, "microbit", misspell),
    Walk(("plan",), 67, "accuracy_min", stricter),
    Walk(("plan",), 68, "fleet desk is released but no spec names it", drop_fleet),
    Walk(("plan",), 69, "manifest.json", damage_manifest),
    Walk(("plan", "--out", "/proc/plan"), 70, "/proc/plan: cannot be written"),
    Walk(("plan", "--build"), 66, "short by", large_model),
    Walk(("apply",), 0, "No changes. Still released: v1"),
    Walk(("apply",), 0, "Published v2 of bench.", more_counter),
    Walk(("apply", "nowhere.json"), 64, "nowhere.json"),
    Walk(("apply", "data/rest-00.csv"), 64, "rest-00.csv"),
    Walk(("apply",), 65, "microbit", misspell),
    Walk(("apply",), 66, "short by", large_model),
    Walk(("apply",), 67, "accuracy_min", stricter),
    Walk(("apply",), 68, "fleet desk is released but no spec names it", drop_fleet),
    Walk(("apply",), 69, "manifest.json", damage_manifest),
    Walk(("apply",), 70, "TINYOPS_IMAGE_KEY", no_key),
    Walk(("apply",), 75, "holds the lease for a test", hold_lease),
    Walk(("compile", "models/tiny.tflite", "--board", "linux", "-o", "library"), 0, "arena "),
    Walk(("compile", "models/tiny.tflite", "--board", "linux", "-o", "specs"), 64, "specs"),
    Walk(("compile", "data/rest-00.csv", "--board", "linux", "-o", "library"), 65, "rest-00.csv"),
    Walk(("compile", "models/tiny.tflite"), 64, "--board"),
    Walk(("bench", "models/tiny.tflite", "--board", "linux"), 0, "16"),
    Walk(("bench", "models/tiny.tflite", "--board", "lunix"), 64, "linux"),
    Walk(("bench", "data/rest-00.csv", "--board", "linux"), 65, "rest-00.csv"),
    Walk(("bench", "models/tiny.tflite", "--board", "microbit"), 66, "short by", large_model),
    Walk(("inspect", "models/tiny.tflite"), 0, "arena "),
    Walk(("inspect", "nowhere.tflite"), 64, "nowhere.tflite"),
    Walk(("inspect", "data/rest-00.csv"), 65, "rest-00.csv"),
    Walk(("diff", "v1", "v1"), 0, "0 of "),
    Walk(("diff", "v1", "--detailed-exitcode"), 2, "security_counter", more_counter),
    Walk(("diff", "v1x"), 64, "Git gives no such commit"),
    Walk(("diff", "v9"), 69, "v9"),
    Walk(("promote", "desk", "desk", "--dry-run"), 0, "nothing was written"),
    Walk(("promote", "desk", "desks"), 64, "desks"),
    Walk(("promote", "desk", "desk"), 68, "promote_when", with_promotion),
    Walk(("rollback", "desk", "--to", "v1", "--dry-run"), 0, "Roll desk back to its model of v1"),
    Walk(("rollback", "desk"), 64, "no earlier release"),
    Walk(("rollback", "desk", "--to", "latest"), 64, "latest"),
    Walk(("suspend", "desk", "--reason", "trade fair", "--author", "mia"), 0, "Suspend desk"),
    Walk(("suspend", "desk"), 64, "--reason"),
    Walk(("resume", "desk", "--unpin"), 64, "desk is not suspended"),
    Walk(("resume", "desk"), 0, "Resume desk", suspended),
    Walk(("approve", "p.json", "--key", "TINYOPS_IMAGE_KEY"), 0, "p.json.approval", with_plan),
    Walk(("approve", "p.json", "--key", "TINYOPS_IMAGE_KEY"), 64, "p.json"),
    Walk(("approve", "p.json", "--key", "NOBODYS_KEY"), 70, "NOBODYS_KEY", with_plan),
    Walk(("history",), 0, "v1"),
    Walk(("history", "--limit", "many"), 64, "many"),
    Walk(("history",), 69, "manifest.json", damage_manifest),
    Walk(("drift",), 0, "no device reports yet", with_reports),
    Walk(("drift",), 64, "the project has no `reports`"),
    Walk(("fleet", "status"), 0, "nothing tells what devices run"),
    Walk(("fleet", "status"), 0, "desk, model tiny: unreported", with_reports),
    Walk(("fleet", "status", "desks"), 64, "there is no fleet 'desks'"),
    Walk(("fleet", "log", "nobody"), 64, "no device 'nobody'", with_reports),
    Walk(("fleet", "page"), 64, "--out"),
    Walk(("fleet", "page", "--out", "site"), 0, "site/index.html"),
    Walk(("fleet", "page", "--out", "/proc/site"), 70, "/proc/site"),
    Walk(("rollout", "step"), 0, "No fleet has a rollout"),
    Walk(("rollout", "status", "desks"), 64, "desks"),
    Walk(("rollout", "hold", "desk"), 64, "--reason"),
    Walk(("receive",), 64, "--dir"),
    Walk(("ci", "matrix"), 0, "images"),
    Walk(("ci", "packages"), 0, "libc6-dev"),
    Walk(("ci", "build", "twin:desk/linux"), 0, "steps are there"),
    Walk(("ci", "build", "twin:desk/lunix"), 64, "no such step"),
    Walk(("ci", "build", "twin:desk/microbit"), 66, "short by", large_model),
    Walk(("ci", "take", "nowhere"), 0, "taken"),
    Walk(("ci", "take", "nowhere", "--vouch"), 70, "TINYOPS_IMAGE_KEY", no_key),
    Walk(("ci", "drift", "--dry-run"), 0, "tinyops drift of bench"),
    Walk(("ci", "comment", "p.json", "--dry-run"), 0, "tinyops plan of bench", with_plan),
    Walk(("ci", "comment", "p.json", "--dry-run"), 64, "p.json"),
    Walk(("ci", "matrix"), 65, "microbit", misspell),
    Walk(("ci", "matrix"), 69, "manifest.json", damage_manifest),
    Walk(("show",), 0, "bench v1"),
    Walk(("show", "desk"), 0, "desk   linux"),
    Walk(("show", "all"), 64, "all"),
    Walk(("show",), 65, "microbit", misspell),
    Walk(("show",), 69, "manifest.json", damage_manifest),
    Walk(("squeeze",), 64, "no model has variants"),
    Walk(("bridge", "tcp:localhost:1"), 64, "OTHER"),
    Walk((*AGENT, "desk"), 0, "slot confirmed"),
    Walk((*AGENT, "desk", "--threshold", "0"), 65, "threshold"),
    Walk((*AGENT, "desk", "--interval", "-1"), 64, "interval"),
    Walk((*AGENT, "desks"), 69, "fleet"),
    Walk(("agent",), 64, "--store"),
    Walk(("keys", "list"), 0, ""),
    Walk(("keys", "new", "OTHER_KEY"), 0, "OTHER_KEY"),
    Walk(("keys", "new", "TINYOPS_IMAGE_KEY", "--if-absent"), 0, "there is a key already"),
    Walk(("keys", "new", "lower"), 64, "is no name for a secret"),
    Walk(("keys",), 64, "VERB"),
    Walk(("trust", "refresh"), 0, "The project has no metadata"),
    Walk(("trust", "status"), 65, "names no host for metadata"),
    Walk(("trust", "init"), 0, "Root 1 is signed.", with_metadata),
    Walk(("trust", "sign"), 64, "nothing waits for a signature", with_metadata),
    Walk(("trust", "publish"), 65, "there is no root", with_metadata),
    Walk(("trust", "key", "ANA_KEY"), 0, "BEGIN PUBLIC KEY"),
    Walk(("trust", "rotate", "targets"), 65, "there is no root yet", with_metadata),
    Walk(("trust",), 64, "VERB"),
    Walk(("gc",), 0, "this machine: nothing to drop."),
    Walk(("gc", "--dry-run", "--keep-days", "0"), 0, "would be dropped", more_counter),
    Walk(("gc", "--keep-days", "-1"), 64, "is not a number of days"),
    Walk(("gc", "--remote"), 64, "artifacts.url is a folder"),
    Walk(("gc",), 65, "microbit", misspell),
    Walk(("gc",), 69, "manifest.json", damage_manifest),
    Walk(("gc",), 75, "a build is using it", use_store),
]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = applied_finished().copy(tmp_path / "bench")
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("CI", raising=False)  # its releases lie in the checkout
    monkeypatch.setenv("TINYOPS_CACHE", str(made.root / "cache"))
    return made


def name_of(walk: Walk) -> str:
    return " ".join(["tinyops", *walk.argv, "→", str(walk.code)])


def asked(walk: Walk) -> list[str]:
    """Its words, with ports that are free now: tests are found by their names, which must not change."""
    return [word.replace("FREE", str(free_port())) for word in walk.argv]


def said(value: Any) -> str:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        return "\n".join(said(v) for pair in value.items() for v in pair)
    return "\n".join(map(said, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("walk", WALKS, ids=name_of)
def test_in_text(bench: Repository, walk: Walk, capfd: pytest.CaptureFixture[str]) -> None:
    walk.edit(bench)
    capfd.readouterr()
    assert main(asked(walk)) == walk.code
    out, err = capfd.readouterr()
    assert walk.words in out + err
    assert "\x1b" not in out + err
    assert "Traceback" not in err
    if walk.code in (0, 2):
        assert out
        assert "error:" not in err
    elif walk.argv[0] not in ("plan", "apply", "ci"):  # which show what they did or would do, and what was wrong beside
        assert out == ""


@pytest.mark.parametrize("walk", WALKS, ids=name_of)
def test_in_json(bench: Repository, walk: Walk, capfd: pytest.CaptureFixture[str]) -> None:
    walk.edit(bench)
    capfd.readouterr()
    command, *rest = asked(walk)
    assert main([command, "--json", *rest]) == walk.code
    out, err = capfd.readouterr()
    value = json.loads(out)
    assert isinstance(value, dict)
    assert err == ""
    assert "\x1b" not in out
    if "error" in value:
        assert value["error"]["exit_code"] == walk.code
        assert walk.words in said(value["error"])
        assert value["error"]["kind"]
    else:
        assert walk.code in (0, 2, 66, 67)


# Walked to success where what they need is there: a terminal, a browser, a fault, variants, streams.
ELSEWHERE = {"crash", "doctor", "enrol", "flash", "label", "receive", "squeeze", "twin", "update"}


def test_every_command_is_walked_to_success_and_to_a_usage_error() -> None:
    for code in (0, 64):
        walked = {walk.argv[0] for walk in WALKS if walk.code == code}
        assert walked == set(COMMANDS) - (ELSEWHERE if code == 0 else set())


def test_doctor_says_what_is_here_and_what_is_missing(tmp_path: Path, bench: Repository) -> None:
    found = bench.run("doctor", "--json")
    assert found.code == (0 if found.json["ok"] else 70)
    lacking = bench.run("doctor", "--json", PATH=str(tmp_path))
    assert (lacking.code, lacking.json["ok"]) == (70, False)
    assert bench.run("doctor", PATH=str(tmp_path)).code == 70


@pytest.mark.parametrize("argv", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_and_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("usage: tinyops" if "--help" in argv else f"tinyops {__version__}\n")


def test_before_the_first_release(tmp_path: Path) -> None:
    bench = repository(tmp_path / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM}))
    assert bench.run("plan").code == 65  # no lock
    bench.ok("lock")
    assert bench.ok("show").out == "Nothing released yet. `tinyops apply` makes the first release.\n"
    assert bench.ok("keys", "list").out.startswith("No key is trusted here.")
    no_key_yet = bench.run("apply")
    assert no_key_yet.code == 70
    assert "`tinyops keys new" in no_key_yet.err
    locked(bench)
    assert bench.run("plan", "--detailed-exitcode").code == 2


def test_a_reader_that_leaves_changes_no_status(bench: Repository) -> None:
    stricter(bench)
    child = bench.start("apply", PYTHONUNBUFFERED="")  # as it is outside of CI
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    child.stderr.close()
    assert child.wait(timeout=60) == 67


def test_output_that_cannot_show_a_sign_is_still_output(bench: Repository) -> None:
    more_counter(bench)
    done = bench.run("plan", PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert "security_counter 0 ? 3" in done.out


def test_the_program_and_the_module_are_the_same(bench: Repository) -> None:
    script = Path(bench.command()[0]).with_name("tinyops")
    if not script.exists():
        pytest.skip("tinyops is not installed beside this Python")
    for command in ([str(script)], bench.command()):
        done = subprocess.run([*command, "frobnicate"], capture_output=True, text=True, env=bench.environment())
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr.startswith("error: no command 'frobnicate'")
