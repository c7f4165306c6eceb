"""The lock: read with positions, written the same again, compared with specs and catalogue."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import tinyops
from tinyops.boards import Board, load_catalog
from tinyops.documents import parse, validate
from tinyops.errors import SpecError, ToolError
from tinyops.specs import Repository, load_repository
from tinyops.specs.lock import Lock, dump_lock, load_lock, lock_problems
from tinyops.specs.locking import (
    COMPILER_SOURCES,
    FIRMWARE_SOURCES,
    digest_sources,
    make_lock,
    own_pins,
    package_version,
)

EXAMPLE = Path(__file__).parents[3]
COMPILERS = {
    "aarch64-linux-gnu-gcc": "12.2.0",
    "arm-none-eabi-gcc": "12.2.1",
    "clang": "14.0.6",
    "gcc": "12.2.0",
    "wasm-ld": "14.0.6",
}
EMULATORS = {"qemu-aarch64": "7.2.22", "qemu-system-arm": "7.2.22", "rp2040js": "1.4.0"}
VERSIONS = {**COMPILERS, **EMULATORS}
BOARDS = ("linux", "microbit", "nano33ble", "phone", "pico", "raspberrypi4")


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


@pytest.fixture(scope="module")
def example(catalog: Mapping[str, Board]) -> Repository:
    return load_repository(EXAMPLE, catalog=catalog)


@pytest.fixture
def lock(example: Repository, catalog: Mapping[str, Board], monkeypatch: pytest.MonkeyPatch) -> Lock:
    """The example's lock, of a machine that has every package in version 1.2.3."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")
    return make_lock(example, catalog, program_version=VERSIONS.__getitem__)


def reload(path: Path, text: str) -> Lock:
    path.write_text(text)
    return load_lock(path)


def test_pins_what_the_specs_need(lock: Lock, example: Repository, catalog: Mapping[str, Board]) -> None:
    assert lock.compilers == COMPILERS
    assert lock.emulators == EMULATORS
    assert set(lock.python) >= {"tensorflow-cpu", "keras", "numpy", "tflite-micro", "platformio", "scons"}
    assert lock.boards == {name: catalog[name].digest for name in BOARDS}
    sktime = example.datasets["motions"].document.spec.sources[0]
    assert sktime.kind == "wheel"
    assert lock.data["sktime 1.2.0"] == sktime.sha256
    assert lock_problems(lock, example, catalog) == []


def test_is_written_the_same_again(lock: Lock, tmp_path: Path) -> None:
    written = dump_lock(lock)
    assert reload(tmp_path / "lock.yaml", written.decode()) == lock
    assert dump_lock(load_lock(tmp_path / "lock.yaml")) == written
    assert written.startswith(b"# yaml-language-server: ")
    assert b"Written by `tinyops lock`" in written


def test_order_of_making_does_not_show(lock: Lock) -> None:
    turned = lock.model_copy(update={"python": dict(reversed(lock.python.items()))})
    assert dump_lock(turned) == dump_lock(lock)
    assert turned.digest == lock.digest


def test_odd_names_survive(lock: Lock) -> None:
    digest = "sha256:" + "0" * 64
    odd = lock.model_copy(
        update={"data": dict.fromkeys(("true", "123", "a: b", '"q"', "x/y.index", "é", "- a"), digest)}
    )
    (document,) = parse(dump_lock(odd), "lock")
    assert document.value["data"] == odd.data
    assert isinstance(validate(document, Lock), Lock)


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('  gcc: "12.2.0"\n', "", (8, 1), "compilers: gcc is not pinned"),
        ('  numpy: "1.2.3"\n', "", (13, 1), "python: numpy is not pinned"),
        ("  sktime 1.2.0:", "  sktime 1.1.0:", (26, 1), "data: sktime 1.2.0 is not pinned"),
        ("  linux:", "  linus:", (22, 1), "boards: linux is not pinned"),
    ],
)
def test_what_is_missing_is_named_in_its_section(
    lock: Lock,
    example: Repository,
    catalog: Mapping[str, Board],
    tmp_path: Path,
    old: str,
    new: str,
    place: tuple[int, int],
    words: str,
) -> None:
    text = dump_lock(lock).decode()
    assert text.count(old) == 1
    (problem,) = lock_problems(reload(tmp_path / "l.yaml", text.replace(old, new)), example, catalog)
    section = words.split(":")[0]
    assert problem.message == words
    assert problem.line > next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(section + ":"))
    assert "tinyops lock" in problem.hint


def test_changed_facts_and_digests_are_named(
    lock: Lock, example: Repository, catalog: Mapping[str, Board], tmp_path: Path
) -> None:
    text = dump_lock(lock).decode()
    for digest in (catalog["microbit"].digest, lock.data["sktime 1.2.0"]):
        text = text.replace(digest, "sha256:" + "1" * 64)
    found = lock_problems(reload(tmp_path / "l.yaml", text), example, catalog)
    lines = text.splitlines()
    assert [lines[p.line - 1].split(":")[0].strip() for p in found] == ["microbit", "sktime 1.2.0"]
    assert all(p.column > 10 for p in found), "the digest's own place"


def test_pins_that_nothing_uses_do_no_harm(lock: Lock, example: Repository, catalog: Mapping[str, Board]) -> None:
    more = lock.model_copy(update={"python": {**lock.python, "optuna": "5.0"}})
    assert lock_problems(more, example, catalog) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: Lock", "kind: Look", 'kind: must be Lock, not "Look"'),
        ('gcc: "12.2.0"', "gcc: 12.2", "compilers.gcc: must be text, not 12.2"),
        ('gcc: "12.2.0"', 'gcc: ">=12"', 'compilers.gcc: a version is exact, such as 12.2.1: ">=12"'),
        ("emulators:", "emulator:", 'emulator: unknown field "emulator"'),
        ('version: "', 'versoin: "', 'tinyops.versoin: unknown field "versoin"'),
    ],
)
def test_a_wrong_lock_is_refused(lock: Lock, tmp_path: Path, old: str, new: str, message: str) -> None:
    text = dump_lock(lock).decode()
    index = text.index("\n  " + old) + 3 if f"\n  {old}" in text else text.index(old)
    with pytest.raises(SpecError) as caught:
        reload(tmp_path / "l.yaml", text[:index] + new + text[index + len(old) :])
    line = text[:index].count("\n") + 1
    assert (line, message) in [(p.line, p.message) for p in caught.value.problems]


def test_no_lock(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_lock(tmp_path / "tinyops.lock.yaml")
    assert "there is no lock" in str(caught.value)
    assert "run `tinyops lock`" in str(caught.value)


def test_two_documents_are_no_lock(lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="a lock is one document"):
        reload(tmp_path / "l.yaml", dump_lock(lock).decode() + "---\na: 1\n")


def test_everything_missing_on_this_machine_is_named_with_its_extra(
    example: Repository, catalog: Mapping[str, Board], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    def no_program(name: str) -> str:
        raise ToolError(f"{name} is not on PATH", hint="apt-get install it")

    monkeypatch.setattr("importlib.metadata.version", none)
    with pytest.raises(ToolError) as caught:
        make_lock(example, catalog, program_version=no_program)
    text = str(caught.value)
    assert "gcc is not on PATH" in text
    assert "tensorflow-cpu is not installed\n  pip install 'tinyops[train]'" in text
    assert "platformio is not installed\n  pip install 'tinyops[build]'" in text


def test_versions_come_from_metadata() -> None:
    assert package_version("pydantic") == importlib.metadata.version("pydantic")


def test_source_digests_see_content_and_names_only(tmp_path: Path) -> None:
    (tmp_path / "a/__pycache__").mkdir(parents=True)
    (tmp_path / "a/x.py").write_text("1")
    before = digest_sources(["a"], tmp_path)
    (tmp_path / "a/__pycache__/x.pyc").write_text("byte code")
    (tmp_path / "a/.hidden").write_text("x")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/y.py").write_text("2")
    assert digest_sources(["a"], tmp_path) == before
    (tmp_path / "a/x.py").rename(tmp_path / "a/z.py")
    renamed = digest_sources(["a"], tmp_path)
    (tmp_path / "a/z.py").write_text("2")
    assert len({before, renamed, digest_sources(["a"], tmp_path)}) == 3


def test_own_pins_are_stable() -> None:
    assert own_pins() == own_pins()


def test_every_folder_of_c_that_firmware_takes_decides_its_lock() -> None:
    package = Path(tinyops.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in (package / "firmware").rglob("*.py")]
    taken = {name for text in texts for name in re.findall(r'sources\("([a-z0-9_]+)', text)}
    pinned = {name.removeprefix("runtime/") for name in (*FIRMWARE_SOURCES, *COMPILER_SOURCES)}
    assert {"chain", "delta", "vendor"} <= taken
    assert taken <= pinned
