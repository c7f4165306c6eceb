"""Data on an S3-compatible server: pushed by one machine, fetched by another with a secret, read by the step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinyops.collect
from fakes.recorded import Repo, repo, rows
from fakes.s3 import BUCKET, Server, server
from tinyops.artifacts import Step
from tinyops.specs.recorded import recorded_dataset

pytestmark = pytest.mark.build
__all__ = ["repo"]


@pytest.fixture(scope="module")
def s3() -> Iterator[Server]:
    with server() as made:
        yield made


def test_pushed_here_and_fetched_elsewhere(
    repo: Repo, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_KEY", json.dumps(s3.options()))
    repo.edit(
        "index: ../data/wrist.csv",
        f"index: ../data/wrist.csv, url: 's3://{BUCKET}/wrist', credentials: {{secret: DATA_KEY}}",
    )
    for number in range(8):
        label = ("rest", "shake")[number % 2]
        repo.json("add", "wrist", repo.file(f"{number}.csv", rows(number, frames=30)), "--label", label)
    assert repo.json("push", "wrist")["pushed"] == 8
    assert repo.json("push", "wrist")["pushed"] == 0
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "elsewhere"))
    spec = recorded_dataset(repo.root, "wrist").spec
    out = tmp_path / "out"
    out.mkdir()
    step = Step("collect", "wrist", {"dataset": spec.settings(), "revision": 1})
    facts = tinyops.collect.run(step, {"index-0": repo.index}, out, lambda _: None)
    assert (facts["recordings"], facts["frames"]) == (8, 240)
    monkeypatch.setenv("DATA_KEY", json.dumps({**s3.options(), "endpoint_url": "http://127.0.0.1:1"}))
    assert tinyops.collect.run(step, {"index-0": repo.index}, out, lambda _: None)["recordings"] == 8
