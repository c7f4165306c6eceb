"""The artifact store on an S3-compatible server: shared, raced for, cut off, killed, collected."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.s3 import BUCKET, Server, line, server
from fakes.stores import KEY, PROJECT, Site, key_of, made
from tinyops.files import MIB
from tinyops.manifest.keys import SigningKey
from tinyops.remote.files import Limits
from tinyops.store.folder import object_name
from tinyops.store.garbage import Live, find_waste

pytestmark = pytest.mark.build
TESTS = Path(__file__).parents[1]
WRITER = """
import sys
from pathlib import Path
from fakes.stores import Site, key_of, made
from tinyops.manifest.keys import SigningKey
url, base, endpoint, pem, name, size = sys.argv[1:]
options = {"endpoint_url": endpoint, "key": "ana", "secret": "canary-7"} if endpoint else {}
site = Site(url, Path(base), options, signer=SigningKey.from_pem(pem.encode(), where="a test"))
machine = site.machine(name)
print("ready", flush=True)
for number in range(5):
    made(machine, f"weights {number} ".encode() * int(size), key=key_of(str(number)))
print(site.said)
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[Server]:
    with server() as made_:
        yield made_


@pytest.fixture
def site(s3: Server, tmp_path: Path) -> Site:
    return Site(f"s3://{BUCKET}/{tmp_path.name}", tmp_path / "machines", s3.options())


def writer(site: Site, name: str, *, endpoint: str, size: int = 1) -> subprocess.Popen[str]:
    """A machine of its own: a process that pushes five steps."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, site.url, site.base, endpoint, site.signer.to_pem().decode(), name, str(size)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_one_machine_built_another_takes(site: Site) -> None:
    record = made(site.machine("one"), bytes(3 * MIB))
    two = site.machine("two", signs=False, publishing=True)
    assert two.lookup(record.key) == record
    assert two.find(record.outputs["deep/file"]) is not None
    assert two.lookup(key_of("not there")) is None
    assert site.said == []
    assert len(site.names()) == 3


def test_a_poisoned_record_and_a_damaged_object_are_not_taken(site: Site) -> None:
    honest = site.signer
    site.signer = SigningKey.generate()
    made(site.machine("fork"), b"poisoned")
    site.signer = honest
    assert site.machine("one").lookup(KEY) is None
    record = made(site.machine("one"))
    site.files().write(object_name(record.outputs["deep/file"].digest), b"cut")
    two = site.machine("two")
    assert two.lookup(KEY) is None
    assert "no trusted key signed" in site.said[0]
    assert "damaged or cut short" in site.said[1]
    made(two)
    assert site.machine("three").lookup(KEY) == record


def test_a_bucket_that_there_is_not_is_said_and_costs_no_result(site: Site) -> None:
    site.url = "s3://nobody-has-made-this/x"
    one = site.machine("one")
    assert one.lookup(KEY) is None
    record = made(one)
    assert one.lookup(KEY) == record
    (said,) = site.said
    assert "bucket does not exist" in said
    assert "canary-7" not in said


@pytest.mark.parametrize("scheme", ["s3", "file"])
def test_machines_that_write_the_same_at_once_leave_whole_records(site: Site, tmp_path: Path, scheme: str) -> None:
    endpoint = str(site.options["endpoint_url"]) if scheme == "s3" else ""
    if scheme == "file":
        site.url, site.options = f"file://{tmp_path}/far", {}
    writers = [writer(site, f"writer {number}", endpoint=endpoint) for number in range(2)]
    for ended in writers:
        out, err = ended.communicate(timeout=120)
        assert (ended.returncode, out) == (0, "ready\n[]\n"), err
    reader = site.machine("reader", signs=False, publishing=True)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(reader.lookup, [key_of(str(number)) for number in range(5)]))
    assert all(found)
    assert site.said == []
    assert [name for name in site.names() if "/.new." in name] == []
    assert len(site.names()) == 5 + 5 + 1  # records, an object each, the empty one of all


def test_who_is_killed_while_putting_leaves_nothing_that_is_taken(site: Site, s3: Server) -> None:
    with line(s3, upload_bytes=200_000) as endpoint:
        child = writer(site, "killed", endpoint=endpoint, size=100_000)  # about a megabyte a step
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=3)
        child.kill()
        child.communicate(timeout=60)
    two = site.machine("two")
    assert [two.lookup(key_of(str(number))) for number in range(5)] == [None] * 5
    record = made(two, b"whole", key=key_of("0"))
    assert site.machine("three").lookup(key_of("0")) == record


def test_a_server_that_stalls_costs_its_limit_and_no_result(site: Site, s3: Server) -> None:
    site.limits = Limits(base_s=1.5)
    with line(s3, upload_bytes=0) as endpoint:
        site.options = s3.options(endpoint)
        one = site.machine("one")
        assert one.lookup(KEY) is None
        record = made(one)
        made(one, b"more", key=key_of("more"))
        assert one.lookup(KEY) == record
    assert [said.count("no answer within 1.5") for said in site.said] == [1, 1]


def test_a_server_that_is_not_there_is_said(site: Site) -> None:
    site.limits = Limits(base_s=1.5)
    site.options = {**site.options, "endpoint_url": "http://127.0.0.1:9"}
    one = site.machine("one")
    assert one.lookup(KEY) is None
    assert made(one)
    assert len(site.said) == 2


def test_ages_are_known_and_what_is_dropped_is_gone(site: Site) -> None:
    made(site.machine("one"))
    shared = site.machine("gc").shared
    assert shared is not None
    nobody = Live(PROJECT, frozenset(), frozenset())
    assert list(find_waste(shared.listing(), nobody, 3600, shared.read)) == []
    for waste in list(find_waste(shared.listing(), nobody, 0, shared.read)):
        shared.remove(waste.file.name)
    assert site.names() == []
