"""Files to and from GitHub: damaged, cut short, expired, sent elsewhere."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from fakes.github_failures import MODEL, SECOND, failing, fetches, leases, publishes, reads
from fakes.release_stores import GitHubBench
from fakes.releases import INERT
from tinyops.errors import ToolError
from tinyops.files import digest_bytes
from tinyops.manifest.document import Asset
from tinyops.release.github.uploading import check_source
from tinyops.release.store import Unreachable

pytestmark = pytest.mark.usefixtures("no_token_in_logs")


@pytest.fixture
def bench(released: GitHubBench) -> GitHubBench:
    return released


# -- uploads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_an_upload_that_arrives_damaged_is_sent_again(bench: GitHubBench, told: bool) -> None:
    """Whether GitHub names a digest or the file has to be fetched back."""
    bench.state.tells_digests = told
    bench.state.damaged_uploads = 1
    if told:
        publishes(bench)
        assert bench.content("v2", MODEL) == SECOND.library
        assert f"{MODEL}: arrived damaged; again in 1 s" in bench.waits.said
        bench.state.damaged_uploads = 99
        error = failing(bench, lambda _: publishes(bench, INERT.but(library=b"third")))
        assert "arrived damaged 5 times" in error.message
    else:
        error = failing(bench, lambda _: publishes(bench))
        assert f"{MODEL} was uploaded, but GitHub has it with another digest" in error.message
        assert bench.latest_tag() == "v1"
        publishes(bench)
        assert bench.content("v2", MODEL) == SECOND.library


def test_a_server_that_tells_no_digests_is_read_back(bench: GitHubBench) -> None:
    bench.state.tells_digests = False
    bench.github.asked.clear()
    publishes(bench)
    fetched = [path for place, _, path in bench.github.asked if place == "objects"]
    assert len(fetched) >= 3  # what was uploaded, beside the manifests that were read
    store = bench.fresh()
    assert store.latest().manifest.version == 2
    store.close()


def test_an_upload_goes_to_githubs_own_hosts_only(bench: GitHubBench) -> None:
    bench.state.uploads = bench.state.objects
    error = failing(bench, lambda _: publishes(bench))
    assert "the token is not sent there" in error.message
    assert not [a for a in bench.github.asked if a[0] == "objects" and a[1] == "POST"]


def test_an_upload_that_is_taken_too_slowly_ends(bench: GitHubBench) -> None:
    times = itertools.count(0, 60)
    store = bench.fresh(clock=lambda: next(times), attempts=2)
    manifest = bench.publisher.build(INERT.but(library=bytes(range(256)) * 8_000))
    with pytest.raises(Unreachable, match="GitHub stopped answering"), store.lease("apply") as lease:
        store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), lease)
    store.close()


def test_files_that_github_takes_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: GitHubBench) -> None:
    with pytest.raises(ToolError, match="empty: 0 bytes; GitHub takes files of 1 byte to"):
        check_source("empty", b"", digest_bytes(b""))
    monkeypatch.setattr("tinyops.release.github.uploading.ASSET_LIMIT_BYTES", 3)
    with pytest.raises(ToolError, match="large: 4 bytes"):
        check_source("large", b"1234", digest_bytes(b"1234"))
    reads(bench.publisher.store)


def test_a_release_of_more_files_than_a_page(bench: GitHubBench) -> None:
    manifest, more = bench.publisher.build(SECOND), [b"file %d" % number for number in range(130)]
    for data in more:
        bench.publisher.content(data)
    assets = {digest_bytes(d): Asset(tag="v2", asset=f"x.{n}.bin", bytes=len(d)) for n, d in enumerate(more)}
    manifest = manifest.model_copy(update={"assets": {**manifest.assets, **assets}})
    bench.state.embedded_max = 20
    store = bench.fresh()
    with store.lease("apply") as lease:
        store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), lease)
    assert len(bench.names("v2")) == 133
    assert store.fetch_output(store.latest().manifest, digest_bytes(more[-1])).read_bytes() == more[-1]
    store.close()


def test_immutable_releases_are_published_all_the_same(bench: GitHubBench) -> None:
    bench.state.immutable = True
    publishes(bench)
    bench.point_latest("v1")
    leases(bench.publisher.store)
    assert bench.latest_tag() == "v2"


# -- downloads ----------------------------------------------------------------------------------


def big(bench: GitHubBench) -> tuple[Any, str]:
    publishes(bench)
    bench.github.asked.clear()
    bench.waits.said.clear()
    bench.waits.clear()
    store = bench.fresh()
    return store, digest_bytes(SECOND.library)


def test_a_download_that_broke_off_goes_on_where_it_ended(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    bench.github.fault("truncate", "GET", "^/objects/", after=True, times=2)
    bench.github.ranges.clear()
    path = store.fetch_output(manifest, digest)
    assert path.read_bytes() == SECOND.library
    half = len(SECOND.library) // 2
    rest = half + (len(SECOND.library) - half) // 2
    assert bench.github.ranges == ["", f"bytes={half}-", f"bytes={rest}-"]
    assert any(f"({half:,} of {len(SECOND.library):,} bytes)" in text for text in bench.waits.said)
    assert sorted(p.name for p in path.parent.iterdir() if p.name.startswith(".part")) == []
    store.close()


def test_a_download_of_a_killed_run_is_carried_on(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    name = digest.removeprefix("sha256:")
    (store._downloads.folder / f".part-{name}").write_bytes(SECOND.library[:5000])
    bench.github.ranges.clear()
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    assert bench.github.ranges == ["bytes=5000-"]
    (store._downloads.folder / name).unlink()
    (store._downloads.folder / f".part-{name}").write_bytes(b"of another file" * 100)
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    (store._downloads.folder / name).write_bytes(b"damaged on the disk")
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    store.close()


def test_an_address_that_expired_is_asked_for_afresh(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    bench.github.fault("status", "GET", "^/objects/", status=403, body=b"<Error/>")
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    assert "the server of the files answered 403" in bench.waits.said[0]
    asked = [path for place, _, path in bench.github.asked if place == "api" and "/releases/assets/" in path]
    assert len(asked) == 3  # the manifest, and the model twice
    store.close()


def test_a_second_host_that_stalls_or_sends_too_much(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    store.close()
    bench.github.fault("stall", "GET", "^/objects/", times=99)
    error = failing(bench, lambda s: s.fetch_output(manifest, digest), Unreachable, read_s=0.05, attempts=2)
    assert f"v2/{MODEL}: GitHub stopped answering, 2 times" in error.message
    bench.github.faults.clear()
    bench.state.asset("v2", MODEL).told = digest
    bench.state.asset("v2", MODEL).content = SECOND.library[:-1] + b"!"
    error = failing(bench, lambda s: s.fetch_output(manifest, digest))
    assert "released asset is damaged" in error.message


def test_a_download_is_not_followed_out_of_the_encryption(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    store.close()
    for place, words in {
        "http://files.example/x": "redirected to an address that is not encrypted",
        "ftp://files.example/x": "redirected to an address that is not encrypted",
        "file:///etc/passwd": "redirected to an address that is not encrypted",
        "//[": "it leads to what is no address",
    }.items():
        bench.github.fault("status", "GET", "/releases/assets/", status=302, headers={"Location": place}, body=b"")
        assert words in failing(bench, lambda s: s.fetch_output(manifest, digest)).message


def test_the_api_is_not_followed_to_another_host(bench: GitHubBench) -> None:
    place = f"{bench.state.objects}/steal"
    bench.github.fault("status", "GET", "latest", status=302, headers={"Location": place}, body=b"")
    error = failing(bench, reads)
    assert "the token is not sent there" in error.message
    assert not [path for at, _, path in bench.github.asked if at == "objects"]


def test_a_repository_that_was_renamed_is_followed(bench: GitHubBench) -> None:
    place = f"{bench.state.repository_url}/releases/latest"
    bench.github.fault("status", "GET", "latest", status=301, headers={"Location": place}, body=b"")
    store = bench.fresh()
    assert store.latest().manifest.version == 1
    store.close()


def test_assets_that_do_not_come_with_the_release_are_listed(bench: GitHubBench) -> None:
    bench.state.embedded_max = 0
    publishes(bench)
    store = bench.fresh()
    fetches(store)
    store.close()


def test_a_full_disk_is_one_sentence(bench: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    monkeypatch.setattr(store._downloads, "folder", Path("/proc/nothing"))
    with pytest.raises(ToolError, match="/proc/nothing: cannot be written"):
        store.fetch_output(manifest, digest)
    store.close()
