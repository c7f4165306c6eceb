"""`tinyops collect serve` over a repository and over TLS, what it refuses to begin with, and what it says."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fakes.collecting import TOKEN, TOKENS, Client, Forge
from fakes.faults import count_faults
from fakes.recorded import Repo, repo
from fakes.release_hosts import Authority
from tinyops.cli import main
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.datasets.take import read_take
from tinyops.errors import SpecError
from tinyops.receiver.tokens import Tokens

__all__ = ["repo"]
VALUES = np.arange(100, dtype="<i2").reshape(-1, 2)


def test_a_repositorys_datasets_say_what_a_take_is(repo: Repo, tmp_path: Path, collectors: Forge) -> None:
    with collectors.collecting(tmp_path, "--repository", repo.root) as collector:
        client = collector.client()
        opened = client.ask("POST", "/v1/takes", {"dataset": "wrist", "device": "d-1", "label": "shake"})
        take = opened.value["take"]
        assert client.put(take, 0, VALUES.tobytes()).value == {"offset": 200}
        strange = client.close(take, label="shale")
        assert (strange.status, "'shale' is no class of wrist" in strange.error) == (422, True)
        assert client.close(take).value["frames"] == 50
        assert client.open(label="run", channels=[], units=[], full_scale=[]).status == 422
        other = client.ask("POST", "/v1/takes", {"dataset": "other", "device": "d-1"})
        assert (other.status, "there is wrist" in other.error) == (404, True)
        units = client.open(channels=["ax", "ay"], units=["g", "mg"])
        assert (units.status, units.error) == (422, "units: g, mg; the dataset's are g, g")
        picture = client.ask("POST", "/v1/takes", {"dataset": "wrist", "device": "d-1", "encoding": "csv"})
        assert picture.status == 201
        collector.stop()
    (entry,) = repo.entries
    found = read_take(read_entry(Folder(data_folder(repo.index)), entry), "x")
    assert (entry.label, entry.device, found.values.tolist()) == ("shake", "d-1", VALUES.tolist())
    assert (found.facts.sensor, found.facts.units, found.facts.rate_hz) == ("imu", ("g", "g"), 10)
    assert repo.run("check", "wrist")[0] in (0, 65, 67), "it can be read"
    assert {path.name for path in (repo.root / ".tinyops" / "receiver").iterdir()} == {"lock", "journal", "open"}
    said = json.loads(collector.said.read_text().partition("\n")[2])
    assert (said["kept"], said["refused"], said["bytes"]) == (1, 0, 200)


def test_what_came_into_a_repository_is_judged(repo: Repo, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKENS)
    token.chmod(0o600)
    argv = [sys.executable, "-m", "tinyops", "collect", "serve", "--repository", str(repo.root)]
    argv += ["--listen", "127.0.0.1:0", "--token-file", str(token)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().partition(",")[0].rpartition(":")[2])
        client = Client(port)
        facts = {"dataset": "wrist", "device": "d-1", "label": "shake"}
        take = client.ask("POST", "/v1/takes", facts).value["take"]
        assert client.put(take, 0, VALUES.tobytes(), lost=50).status == 200
        assert client.close(take).status == 200
        client.hang_up()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "wrist: warning: gaps: 1 recording with more than 5.0% of the frames lost" in said


def test_an_inbox_is_taken_over_with_its_labels(repo: Repo, tmp_path: Path, collectors: Forge) -> None:
    facts = {"channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [4, 4], "rate_hz": 10}
    with collectors.collecting(tmp_path) as collector:
        client = collector.client()
        for device, label in (("d-1", "shake"), ("d-2", "rest"), ("d-3", "walk")):
            take = client.take(device=device, label=label, **facts)
            client.put(take, 0, VALUES.tobytes())
            assert client.close(take).status == 200
    inbox = collector.root / "wrist.csv"
    code, _, err = repo.run("add", "wrist", inbox)
    assert (code, "the label 'walk' of 1 recordings is not one of the dataset's classes" in err) == (64, True)
    inbox.write_text(inbox.read_text().replace(",walk,", ",,"))
    assert repo.json("add", "wrist", inbox, "--label", "rest", "--dry-run")["counts"] == {"rest": 2, "shake": 1}
    assert len(repo.json("add", "wrist", inbox)["added"]) == 3
    assert {(e.device, e.label) for e in repo.entries} == {("d-1", "shake"), ("d-2", "rest"), ("d-3", "")}
    for entry in repo.entries:
        assert read_take(read_entry(Folder(data_folder(repo.index)), entry), "x").values.tolist() == VALUES.tolist()
    again = repo.json("add", "wrist", inbox)
    assert (again["added"], len(again["known"])) == ([], 3)
    next((collector.root / "wrist").rglob("*.take")).write_bytes(b"damaged")
    repo.index.unlink()
    code, _, err = repo.run("add", "wrist", inbox)
    assert (code, "has changed" in err, repo.entries) == (65, True, ())


def test_it_speaks_tls(tmp_path: Path, collectors: Forge) -> None:
    authority = Authority(tmp_path, bits=0)
    authority.server("localhost")
    (certificate,) = tmp_path.glob("*.pem")
    with collectors.collecting(tmp_path, "--cert", certificate) as collector:
        context = ssl.create_default_context(cadata=authority.der)
        link = http.client.HTTPSConnection("localhost", collector.port, timeout=30, context=context)
        link.request("GET", "/healthz")
        assert json.loads(link.getresponse().read()) == {"ok": True, "reasons": []}
        link.close()


@pytest.mark.faults
def test_who_never_finishes_a_handshake_keeps_nobody_else_out(tmp_path: Path, collectors: Forge) -> None:
    authority = Authority(tmp_path, bits=0)
    authority.server("localhost")
    (certificate,) = tmp_path.glob("*.pem")
    with collectors.collecting(tmp_path, "--cert", certificate, "--connections", "20", "--patience", "2") as collector:
        silent = [socket.create_connection(("127.0.0.1", collector.port), timeout=30) for _ in range(200)]
        context = ssl.create_default_context(cadata=authority.der)
        other = socket.create_connection(("127.0.0.1", collector.port), timeout=30, source_address=("127.0.0.2", 0))
        with context.wrap_socket(other, server_hostname="localhost") as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert link.recv(100).startswith(b"HTTP/1.1 200")
        for end in silent:  # those who were let in, after the patience
            with contextlib.suppress(ConnectionResetError):
                assert end.recv(1) == b""
            end.close()
        assert "Too many open files" not in collector.said.read_text()
    count_faults("handshakes that never end", len(silent))


def test_what_cannot_be_meant_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text(TOKENS)
    (tmp_path / "token").chmod(0o600)
    serve = ["collect", "serve", "--token-file", str(tmp_path / "token")]
    inbox = ["--inbox", str(tmp_path / "in")]
    wrong = {
        "either --repository or --inbox": [],
        "tokens would pass in the clear": [*inbox, "--listen", "0.0.0.0:0"],
        "names no host and port": [*inbox, "--listen", "x"],
        "--key without --cert": [*inbox, "--key", "x"],
        "are 1 or more": [*inbox, "--takes", "0"],
        "are more than 0": [*inbox, "--idle", "0"],
    }
    for said, arguments in wrong.items():
        assert main([*serve, *arguments]) == 64, said
        assert said in capsys.readouterr().err


def test_a_token_may_be_good_for_a_dataset_or_a_device(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKENS)
    path.chmod(0o600)
    tokens = Tokens(path, scoped=True)
    scopes = [tokens.scope(f"Bearer {line.split()[0]}") for line in TOKENS.splitlines()]
    assert scopes == ["", "shake", "wrist/d-1"]
    assert tokens.scope(f"Bearer {TOKEN}x") is None
    assert tokens.scope(f"Basic {TOKEN}") is None
    with pytest.raises(SpecError, match="token 2 is not 16 or more printable ASCII"):
        Tokens(path)
    for line in (f"{TOKEN} a/b/c", f"{TOKEN} A", f"{TOKEN} ../x", f"{TOKEN}  "):
        path.write_text(line.strip("\n") + "\n")
        if line.strip() == TOKEN:
            assert Tokens(path, scoped=True).scope(f"Bearer {TOKEN}") == ""
        else:
            with pytest.raises(SpecError, match="is neither DATASET nor DATASET/DEVICE"):
                Tokens(path, scoped=True)
