"""What devices report, beside what is released: real agents, real signatures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.github_discussions import Discussions, discussing
from fakes.github_server import REPOSITORY, TOKEN, GitHub, serving_github
from fakes.projects import Repository, applied_finished
from fakes.receiver import READ_TOKEN, receiving
from fakes.release_stores import check_exchanges
from fakes.tflite import dense
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import Health, read_report, report_path, seal_report
from tinyops.process import run
from tinyops.reconcile.observed import observed_devices
from tinyops.reconcile.world import observe

pytestmark = pytest.mark.build

FLEETS, LIST = "specs/fleets.yaml", "specs/desk.csv"


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    bench = applied_finished().copy(tmp_path / "bench")
    bench.edit("specs/project.yaml", "  signing:", "  reports: {kind: directory, path: ../reports}\n  signing:")
    return bench


def poll(bench: Repository, *devices: str, to: str = "reports", token: Path | None = None) -> None:
    """Each device polls once: it fetches, proves and confirms what is released, and reports."""
    where = ("--reports", to, *(("--reports-token-file", str(token)) if token else ()))
    for device in devices:
        store = ("--store", ".tinyops/releases", "--trust", ".tinyops/trusted.pem")
        who = ("--fleet", "desk", "--board", "linux", "--device", device, "--state", f"state/{device}")
        bench.ok("agent", "--once", *store, *who, *where)


def test_reports_over_a_branch_and_over_a_receiver(bench: Repository) -> None:
    """The same devices, whose reports CI reads from where they were brought."""
    branch = "{kind: branch, repository: ../reports.git}"
    bench.edit("specs/project.yaml", "{kind: directory, path: ../reports}", branch)
    remote = bench.root / "reports.git"
    run(["git", "init", "--quiet", "--bare", remote], timeout_s=20)
    assert states(bench) == {}
    poll(bench, "d-1", "d-2", to=f"git+{remote}")
    assert states(bench) == {"d-1": "converged", "d-2": "converged"}
    token = bench.root / ".tinyops" / "secrets" / "REPORTS_READ"
    token.write_text(READ_TOKEN)
    token.chmod(0o600)
    with receiving(bench.root, "--open", "desk") as receiver:
        place = f"{{kind: http, url: {receiver.url!r}, token: {{secret: REPORTS_READ}}}}"
        bench.edit("specs/project.yaml", branch, place)
        poll(bench, "d-1", "d-3", to=receiver.url, token=bench.root / "token-file")
        assert states(bench) == {"d-1": "converged", "d-3": "converged"}
    done = bench.run("drift")
    assert (done.code, "cannot be reached" in done.err) == (69, True)


def test_the_repository_of_the_specs_takes_no_reports(bench: Repository) -> None:
    bench.edit("specs/project.yaml", "{kind: directory, path: ../reports}", "{kind: branch, repository: ..}")
    done = bench.run("drift")
    assert (done.code, "is the repository of these specs" in done.err) == (65, True)
    store = ("--store", ".tinyops/releases", "--trust", ".tinyops/trusted.pem", "--state", "state/d-1")
    who = ("-c", "user.name=x", "-c", "user.email=x")
    for command in (["init", "--quiet"], ["add", "specs"], [*who, "commit", "--quiet", "-m", "specs"]):
        run(["git", "-C", bench.root, *command], timeout_s=20)
    done = bench.run("agent", "--once", *store, "--fleet", "desk", "--board", "linux", "--reports", f"git+{bench.root}")
    assert (done.code, "reports do not go where specs are" in done.err) == (69, True)


def states(bench: Repository, code: int = 0) -> dict[str, str]:
    done = bench.run("drift", "--json", "--detailed-exitcode")
    assert done.code == code, done.out + done.err
    return {device["device"]: device["state"] for device in done.json["devices"]}


def release_other_weights(bench: Repository) -> None:
    old = hashlib.sha256((bench.root / "models/tiny.tflite").read_bytes()).hexdigest()
    data = dense(2, 20, weight_scale=0.2525).build([0], [3])
    bench.write("models/tiny.tflite", data)
    bench.edit(FLEETS, old, hashlib.sha256(data).hexdigest())
    bench.ok("apply")


def list_devices(bench: Repository, *rows: str) -> None:
    bench.write(LIST, "\n".join(["id,board,labels,public_key,enrolled,revoked", *rows, ""]))
    if "devices:" not in (bench.root / FLEETS).read_text():
        bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  devices: {file: desk.csv}\n")


def key_of(bench: Repository, device: str) -> str:
    path = report_path(bench.root / "reports", "desk", device)
    return read_report(path.read_bytes(), where="r").public_key


def test_devices_converge_fall_behind_and_converge_again(bench: Repository) -> None:
    poll(bench, "d-1", "d-2")
    assert states(bench) == {"d-1": "converged", "d-2": "converged"}
    release_other_weights(bench)
    assert states(bench, 2) == {"d-1": "behind", "d-2": "behind"}
    poll(bench, "d-2")
    assert states(bench, 2) == {"d-1": "behind", "d-2": "converged"}
    text = bench.ok("drift").out
    assert "d-1" in text and "d-2" not in text and text.endswith("v2: 1 converged, 1 behind.\n")
    assert "d-2" in bench.ok("drift", "--all").out


def test_a_list_tells_who_counts_and_whose_signature(bench: Repository) -> None:
    poll(bench, "d-1", "d-2", "d-3")
    first, second = (key_of(bench, device) for device in ("d-1", "d-2"))
    list_devices(bench, f"d-1,linux,,{first},2026-01-01,", f"d-2,linux,,{second},,2026-02-02", "d-4,linux,,,,")
    assert states(bench, 2) == {"d-1": "converged", "d-2": "revoked", "d-3": "unknown", "d-4": "unreported"}
    list_devices(bench, f"d-1,linux,,{second},2026-01-01,")
    done = bench.run("drift")
    assert "not a report:" in done.err and "of d-1" in done.err


def test_promotion_waits_for_devices(bench: Repository) -> None:
    when = "  promote_when: {fleet: desk, converged_share: 1, soak_h: 0}\n"
    bench.edit(FLEETS, "  model: tiny\n", f"  model: tiny\n{when}")
    poll(bench, "d-1", "d-2")
    release_other_weights(bench)
    poll(bench, "d-1")
    refused = bench.run("promote", "desk", "desk")
    assert (refused.code, "50.0% of fleet desk runs what is released" in refused.err) == (68, True)
    poll(bench, "d-2")
    assert bench.run("promote", "desk", "desk").code == 0


def test_a_device_that_has_not_been_heard_of_is_silent(bench: Repository) -> None:
    poll(bench, "d-1")
    world = observe(bench.root)
    now = datetime.now(UTC)
    found = {days: observed_devices(world, now + timedelta(days=days))[0][0].state for days in (2, 4)}
    assert found == {2: "converged", 4: "silent"}


def altered(bench: Repository, device: str, **update: Any) -> None:
    """The report with other fields, signed by a key of its own: as a device that says other things would send."""
    path = report_path(bench.root / "reports", "desk", device)
    key = SigningKey.generate()
    report = read_report(path.read_bytes(), where="r").model_copy(update={"public_key": key.public.raw.hex(), **update})
    path.write_bytes(seal_report(report, key))


def test_a_device_that_gave_up_says_why_and_a_forged_report_is_none(bench: Repository) -> None:
    poll(bench, "d-1")
    old = read_report(report_path(bench.root / "reports", "desk", "d-1").read_bytes(), where="r")
    release_other_weights(bench)
    wanted = bench.manifest()["fleets"]["desk"]["boards"]["linux"]["model"]["digest"]
    assert old.last_update is not None
    given_up = {"version": 2, "digest": wanted, "result": "reverted", "reason": "self-test: vector 3 differs"}
    altered(bench, "d-1", last_update=old.last_update.model_copy(update=given_up))
    assert states(bench, 2) == {"d-1": "gave up"}
    told = bench.ok("drift").out
    assert "reverted: self-test: vector 3 differs" in " ".join(told.split()), told  # a long reason goes on below

    path = report_path(bench.root / "reports", "desk", "d-1")
    forged = json.loads(path.read_bytes())
    forged["signed"]["running"]["model"] = wanted
    path.write_text(json.dumps(forged))
    done = bench.run("drift")
    assert (done.out, "not a report:" in done.err) == ("v2: no device reports yet.\n", True)


# -- fleets, and the issue of drift on GitHub --------------------------------------------------


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving_github() as running:
        discussing(running)
        yield running
        check_exchanges(running)
        assert running.leaks == []


def ci_drift(bench: Repository, github: GitHub) -> tuple[str, Any]:
    """What became of the issue, and the issue."""
    where = ("--repo", REPOSITORY, "--url", github.url)
    done = bench.ok("ci", "drift", *where, "--json", GITHUB_TOKEN=TOKEN).json
    held: Discussions = discussing(github)
    return done["how"], held.issues.get(done["issue"])


def fleet(bench: Repository) -> Any:
    (found,) = bench.ok("fleet", "status", "desk", "--json").json["fleets"]
    return found


def test_status_log_page_and_issue_tell_the_same_at_each_moment(bench: Repository, github: GitHub) -> None:
    assert fleet(bench)["state"] == "unreported" and ci_drift(bench, github) == ("none", None)
    poll(bench, "d-1", "d-2")
    assert fleet(bench)["state"] == "converged" and ci_drift(bench, github)[0] == "none"

    # A release that one of both gives up: who needs a person, why, and what to do.
    release_other_weights(bench)
    wanted = bench.manifest()["fleets"]["desk"]["boards"]["linux"]["model"]["digest"]
    poll(bench, "d-2")
    at_once = {"version": 2, "digest": wanted, "result": "reverted", "reason": "self-test: @all </td>"}
    old = read_report(report_path(bench.root / "reports", "desk", "d-1").read_bytes(), where="r")
    assert old.last_update is not None
    altered(bench, "d-1", last_update=old.last_update.model_copy(update=at_once))
    text = bench.ok("fleet", "status").out
    assert "1 needs a person." in text.splitlines()[0] and text.splitlines()[4].split()[:3] == ["desk", "linux", "d-1"]
    assert {r["what"]: r["devices"] for r in fleet(bench)["runs"]} == {"released": 1, "another": 1}
    how, issue = ci_drift(bench, github)
    assert (how, issue.state) == ("posted", "open")
    assert "- **re-flash** `desk`: 1 device (gave up)." in issue.body
    assert "`reverted: self-test: @all </td>`" in issue.body
    log = bench.ok("fleet", "log", "d-1").out
    assert [line.split()[2] for line in log.splitlines()[4:] if " release " in line] == ["v1", "v2"]
    assert "reverted" in log and "offers model" in log
    bench.ok("fleet", "page", "--out", "site")
    page = (bench.root / "site/index.html").read_text()
    assert "self-test: @all &lt;/td&gt;" in page and "@all </td>" not in page

    # It recovers, and now both see little but shakes, of which the model was trained on as much rest.
    poll(bench, "d-1", "d-2")
    assert states(bench) == {"d-1": "converged", "d-2": "converged"}
    assert ci_drift(bench, github)[0] == "closed" and issue.state == "closed"
    for device in ("d-1", "d-2"):
        health = Health(inferences=2_000, classes={"rest": 100, "shake": 1_900}, errors=0, uptime_s=9)
        altered(bench, device, health=health)
    assert fleet(bench)["health"]["shift"]["classes"]["verdict"] == "moved"
    how, second = ci_drift(bench, github)
    assert how == "posted" and second.number != issue.number
    assert "- **collect** `desk`" in second.body and "`class_shares: {rest: 0.05, shake: 0.95}`" in second.body
    assert ci_drift(bench, github)[0] == "unchanged"

    # The fleet lives so: its spec says it, and the issue closes itself.
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  class_shares: {rest: 0.05, shake: 0.95}\n")
    assert bench.run("plan", "--detailed-exitcode").code == 0, "what is expected moves no device"
    assert ci_drift(bench, github)[0] == "closed" and second.state == "closed"
