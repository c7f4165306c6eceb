"""Whose records are taken: signed ones of trusted keys, and one's own where nobody else can write; a fork's never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.stores import HERE, KEY, PROJECT, made, store_at
from tinyops.artifacts import Artifact
from tinyops.errors import RemoteError
from tinyops.files import canonical_json
from tinyops.manifest.envelope import Envelope, add_signature
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.store import Notary, Run, in_ci, this_run
from tinyops.store.records import Untrusted, read_stored

SIGNER, STRANGER = SigningKey.generate(), SigningKey.generate()
TRUST = Trust.of([SIGNER.public])
FORK = Run(
    ci="github", id="7", repository="mallory/wearables", event="pull_request", actor="mallory", ref="refs/pull/5"
)
MAIN = Run(ci="github", id="8", repository="acme/wearables", event="push", actor="ana", ref="refs/heads/main")


def record_of(tmp_path: Path, run: Run, key: SigningKey | None = None) -> bytes:
    store = store_at(tmp_path / f"{run.id}{run.machine}", run, key=key)
    record = made(store)
    return store.folder.record_path(record.key).read_bytes()


def taken(data: bytes, notary: Notary, *, own: bool = True) -> str:
    try:
        notary.take(data, KEY, where="the store", own=own)
    except Untrusted as untrusted:
        return untrusted.message
    return "taken"


def test_a_record_that_a_trusted_key_signed_is_taken_wherever_it_comes_from(tmp_path: Path) -> None:
    data = record_of(tmp_path, MAIN, SIGNER)
    for publishing in (False, True):
        for own in (False, True):
            assert taken(data, Notary(PROJECT, FORK, TRUST, publishing=publishing), own=own) == "taken"


def test_a_record_of_a_forks_run_is_never_taken_by_another(tmp_path: Path) -> None:
    said = "the store: made by run 7 of mallory/wearables on pull_request by mallory of refs/pull/5, and not signed"
    for key in (None, STRANGER):
        data = record_of(tmp_path, FORK, key)
        for run in (MAIN, HERE):
            for publishing in (False, True):
                assert taken(data, Notary(PROJECT, run, TRUST, SIGNER, publishing)).startswith(said)


def test_a_forks_own_run_may_look_at_what_it_built_but_not_publish_it(tmp_path: Path) -> None:
    data = record_of(tmp_path, FORK)
    assert taken(data, Notary(PROJECT, FORK, TRUST)) == "taken"
    assert "not signed" in taken(data, Notary(PROJECT, FORK, TRUST), own=False)
    assert "not signed" in taken(data, Notary(PROJECT, FORK, TRUST, publishing=True))


def test_who_claims_to_be_the_run_that_publishes_is_not_believed(tmp_path: Path) -> None:
    """A fork's run can write any name into a record, that of the run to come included."""
    data = record_of(tmp_path, MAIN)
    assert "not signed" in taken(data, Notary(PROJECT, MAIN, TRUST, SIGNER, publishing=True))


def test_on_a_machine_of_ones_own_no_key_is_needed(tmp_path: Path) -> None:
    data = record_of(tmp_path, HERE)
    assert taken(data, Notary(PROJECT, HERE, publishing=True)) == "taken"
    assert "made by ana@bench" in taken(data, Notary(PROJECT, HERE, publishing=True), own=False)
    assert "not signed" in taken(data, Notary(PROJECT, Run(machine="ben@bench"), TRUST))


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_record_that_others_may_write_is_nobodys_own(tmp_path: Path, mode: int) -> None:
    store = store_at(tmp_path / "store")
    record = made(store)
    assert store.lookup(record.key) == record
    store.folder.record_path(record.key).chmod(mode)
    assert store.lookup(record.key) is None
    assert store.folder.record_path(record.key).exists()


def test_a_signed_record_cannot_be_bent(tmp_path: Path) -> None:
    """Another object, another key, another schema: each breaks the signature or is refused for its shape."""
    document = json.loads(record_of(tmp_path, MAIN, SIGNER))
    notary = Notary(PROJECT, HERE, TRUST)
    bent = json.loads(json.dumps(document))
    bent["signed"]["record"]["outputs"]["deep/file"]["digest"] = "sha256:" + "e" * 64
    assert "not signed" in taken(canonical_json(bent), notary)
    with pytest.raises(RemoteError, match="holds the record of another key"):
        notary.take(canonical_json(document), "sha256:" + "2" * 64, where="the store", own=True)
    for change in ({"schema": "tinyops/manifest/v1"}, {"run": {"ci": "nowhere"}}, {"record": {}}):
        signed = {**document["signed"], **change}
        envelope = add_signature(Envelope(signed, canonical_json(signed), ()), SIGNER)
        with pytest.raises(RemoteError) as caught:
            notary.take(envelope.to_bytes(), KEY, where="the store", own=True)
        assert not isinstance(caught.value, Untrusted)


def test_a_record_carries_its_run_and_steers_no_terminal(tmp_path: Path) -> None:
    run = Run(ci="github", id="9", repository="a/b\x1b[2J\n::error::", actor="x" * 999)
    stored, _ = read_stored(record_of(tmp_path, run), where="here")
    assert str(stored.run).startswith("run 9 of a/b[2J::error:: by xxx")
    assert len(stored.run.actor) == 200
    hostile = json.loads(record_of(tmp_path, run))
    hostile["signed"]["run"]["repository"] = "a/b\n::set-env"
    assert "\n" not in taken(canonical_json(hostile), Notary(PROJECT, HERE))
    assert stored.record.outputs["empty"] == Artifact("sha256:" + _EMPTY, 0)


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_run_is_read_from_the_variables_that_ci_sets() -> None:
    github = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "8", "GITHUB_REPOSITORY": "acme/wearables"}
    github |= {"GITHUB_EVENT_NAME": "push", "GITHUB_ACTOR": "ana", "GITHUB_REF": "refs/heads/main"}
    assert this_run(github).is_same(MAIN)
    assert str(this_run(github)) == "run 8 of acme/wearables on push by ana of refs/heads/main"
    gitlab = {"CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_ID": "8", "CI_PROJECT_PATH": "acme/wearables"}
    assert (this_run(gitlab).ci, this_run(gitlab).id) == ("gitlab", "8")
    assert not this_run(gitlab).is_same(this_run(github))
    other = this_run({"CI": "1"})
    assert (other.ci, other.is_same(other)) == ("other", False)
    here = this_run({})
    assert here.ci == ""
    assert here.is_same(this_run({"CI": "false"}))
    assert [in_ci({"CI": text}) for text in ("true", "1", "", "0", "False")] == [True, True, False, False, False]
