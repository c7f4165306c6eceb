"""`tinyops compile`: a folder of its own, written where it changed, named after the model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import dense
from tinyops.cli import main
from tinyops.compiler.library import MARKER, library_files, library_name, write_library
from tinyops.compiler.options import CPUS
from tinyops.errors import UsageError


def model_file(folder: Path, outputs: int = 3, name: str = "Key words-2.tflite") -> Path:
    path = folder / name
    path.write_bytes(dense(outputs).build([0], [3]))
    return path


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("kws_ref_model.tflite", "kws_ref_model"),
        ("Key words-2.tflite", "key_words_2"),
        ("3d.tflite", "compiled_3d"),
        ("model.tflite", "compiled_model"),
        ("ünï.tflite", "n"),
        ("*/.tflite", "compiled"),
        ("a" * 200 + ".tflite", "a" * 40),
    ],
)
def test_a_name_is_an_identifier(file: str, name: str) -> None:
    assert library_name(file) == name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


def test_the_header_says_what_the_model_takes(tmp_path: Path) -> None:
    header = library_files(compile_bytes(dense().build([0], [3])))["include/compiled_test.h"].decode()
    macros = dict(re.findall(r"#define COMPILED_TEST_(\w+) (.+)", header))
    assert macros["INPUT_SHAPE"] == "{1, 4}"
    assert (macros["INPUT_SCALE"], macros["INPUT_ZERO_POINT"]) == ("0.5f", "(3)")
    assert (macros["OUTPUT_SCALE"], macros["OUTPUT_ZERO_POINT"]) == ("1.0f", "(-4)")
    assert (macros["INPUT_COUNT"], macros["OUTPUT_COUNT"]) == ("4u", "3u")
    assert int(macros["ARENA_BYTES"].rstrip("u")) % 16 == 0


def test_names_from_a_file_stay_in_their_comments() -> None:
    model = dense()
    model.graph.tensors[0].name = 'x */ #include "evil.h" /* \\\n | %s'
    files = library_files(compile_bytes(model.build([0], [3])))
    for path in ("include/compiled_test.h", "examples/run/main.c", "README.md", "src/model.c"):
        text = files[path].decode()
        assert '#include "evil.h"' not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL), path
        assert "| %s" not in text


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    out, model = tmp_path / "lib", model_file(tmp_path)
    arguments = ["compile", str(model), "--board", "nano33ble", "-o", str(out)]
    assert main(arguments) == 0
    (out / "mine.txt").write_text("kept")
    (out / "README.md").write_text("edited")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name not in ("README.md", "mine.txt")}
    assert main(arguments) == 0
    files = {path: path.stat().st_mtime_ns for path in before if path.is_file()}
    assert files == {path: time for path, time in before.items() if path.is_file()}
    assert (out / "README.md").read_text() != "edited"
    assert (out / "mine.txt").read_text() == "kept"


def test_what_is_no_longer_made_is_removed_and_a_users_file_is_not(tmp_path: Path) -> None:
    files = {"a.c": b"int a;", "b.c": b"int b;"}
    assert write_library(files, tmp_path) == ["a.c", "b.c"]
    (tmp_path / "mine.c").write_bytes(b"mine")
    assert write_library({"a.c": b"int a;"}, tmp_path) == ["b.c"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [MARKER, "a.c", "mine.c"]


@pytest.mark.parametrize("marker", [None, "not JSON", "{}", "[]", '{"files": ["../victim"]}', '{"files": ["/etc/x"]}'])
def test_a_folder_that_is_not_ours_is_left_alone(
    tmp_path: Path, marker: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "README.md").write_text("mine")
    (tmp_path / "victim").write_text("mine")
    if marker is not None:
        (out / MARKER).write_text(marker)
    assert main(["compile", str(model_file(tmp_path)), "--board", "linux", "-o", str(out)]) == 64
    assert "nothing was written" in capsys.readouterr().err
    assert (out / "README.md").read_text() == (tmp_path / "victim").read_text() == "mine"
    assert {p.name for p in out.iterdir()} <= {"README.md", MARKER}


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        write_library({}, tmp_path / "out")


def test_any_folder_will_do_and_json_names_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["compile", "Key words-2.tflite", "--board", "microbit", "--prefer", "size", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["folder"] == "key_words_2"
    assert value["header"] == "include/key_words_2.h"
    assert all((tmp_path / "key_words_2" / path).is_file() for path in value["files"])
    assert "prefer size" in re.sub(r"\s+", " ", (tmp_path / "key_words_2" / "README.md").read_text())


@pytest.mark.parametrize("cpu", CPUS)
def test_a_core_without_a_board_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str], cpu: str) -> None:
    model, out = str(model_file(tmp_path)), tmp_path / "lib"
    assert main(["compile", model, "--cpu", cpu, "--prefix", "mine", "-o", str(out), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["board"], value["cpu"], value["header"]) == (None, cpu, "include/mine.h")
    assert f"for `any board` ({cpu}, prefer balanced)" in re.sub(r"\s+", " ", (out / "README.md").read_text())
    assert ("C_EXTENSIONS ON" in (out / "CMakeLists.txt").read_text()) == (cpu == "avr")
    assert "int32_t mine_model_invoke(void *arena);" in (out / "include" / "mine.h").read_text()


@pytest.mark.parametrize("chosen", [[], ["--cpu", "cortex-m4f", "--board", "nano33ble"], ["--cpu", "z80"]])
def test_a_core_or_a_board_is_wanted(tmp_path: Path, chosen: list[str]) -> None:
    assert main(["compile", str(model_file(tmp_path)), *chosen, "-o", str(tmp_path / "lib")]) == 64
    assert (
        main(["compile", str(model_file(tmp_path)), "--cpu", "avr", "--prefix", "9", "-o", str(tmp_path / "x")]) == 64
    )


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = dense().build([0], [3])
    assert library_files(compile_bytes(model)) == library_files(compile_bytes(model))


def test_exit_statuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(model_file(tmp_path))
    out = ["-o", str(tmp_path / "lib")]
    assert main(["compile", model, "--board", "toaster", *out]) == 64
    assert "boards: coral-dev-board, " in capsys.readouterr().err
    assert main(["compile", str(tmp_path / "none.tflite"), "--board", "linux", *out]) == 64
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    assert main(["compile", str(tmp_path / "bad.tflite"), "--board", "linux", *out]) == 65
    assert not (tmp_path / "lib").exists()


def test_what_does_not_fit_names_bytes_and_boards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wide.tflite"
    path.write_bytes(dense(12_000, 2).build([0], [3]))
    assert main(["compile", str(path), "--board", "microbit", "-o", str(tmp_path / "lib")]) == 66
    said = capsys.readouterr().err
    assert re.search(r"the arena needs 12,0\d\d bytes, microbit has 10,240: short by 1,", said)
    held = said.partition("boards that would hold it: ")[2].strip().split(", ")
    assert {"linux", "nano33ble"} <= set(held) and "microbit" not in held
    assert not (tmp_path / "lib").exists()
