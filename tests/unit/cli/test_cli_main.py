"""The command line's own doing: parsing, errors as text and JSON, what nobody foresaw, Ctrl-C."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from tinyops.artifacts import Step
from tinyops.cli import COMMANDS, main
from tinyops.cli.commands import validate
from tinyops.cli.missed import report
from tinyops.cli.output import Output, printable_lines
from tinyops.cli.progress import LiveWatcher, PlainWatcher, watcher
from tinyops.errors import DoesNotFit, Problem, SpecError, TinyopsError, ToolError
from tinyops.plan.gates import Miss
from tinyops.reconcile.judging import Judgement

Captured = pytest.CaptureFixture[str]


def test_a_package_that_is_not_installed_is_named_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(validate, "run", failing(ModuleNotFoundError("No module named 'numpy.x'", name="numpy.x")))
    assert main(["validate"]) == 70
    assert "pip install 'tinyops[data]'" in capsys.readouterr().err
    monkeypatch.setattr(validate, "run", failing(ModuleNotFoundError("No module named 'tinyops.x'", name="tinyops.x")))
    assert main(["validate"]) == 1, "one of ours that is missing is a defect"


def failing(error: BaseException) -> object:
    def run(arguments: argparse.Namespace, output: Output) -> int:
        raise error

    return run


@pytest.mark.parametrize("argv", [[], ["--json"], ["frobnicate"], ["plan", "--al"], ["plan", "--jobs", "many"]])
def test_a_wrong_command_line_says_so_and_where_help_is(argv: list[str], capsys: Captured) -> None:
    assert main(argv) == 64
    out, err = capsys.readouterr()
    if "--json" in argv:
        assert json.loads(out)["error"]["exit_code"] == 64
    else:
        assert out == ""
        assert err.startswith("error: ") and "help`" in err


def test_every_command_takes_json_and_explains_itself(capsys: Captured) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "--json" in capsys.readouterr().out


def test_what_nobody_foresaw_is_called_a_defect_and_traced(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(validate, "run", failing(ZeroDivisionError("by zero")))
    assert main(["validate"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-2] == "error: this is a defect of tinyops: ZeroDivisionError: by zero"
    assert "report it" in err.splitlines()[-1]


def test_what_nobody_foresaw_is_json_too(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(validate, "run", failing(KeyError("epochs")))
    assert main(["validate", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["kind"] == "Defect"
    assert "KeyError" in err


def test_ctrl_c_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(validate, "run", failing(KeyboardInterrupt()))
    assert main(["validate"]) == 130
    assert capsys.readouterr() == ("", "interrupted; finished steps are kept\n")


def test_every_problem_of_a_spec_is_in_the_json(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    problems = [Problem("b.yaml", 2, 1, "second"), Problem("a.yaml", 3, 7, "first", "do this")]
    monkeypatch.setattr(validate, "run", failing(SpecError(problems)))
    assert main(["validate", "--json"]) == 65
    found = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert found[0] == {"file": "a.yaml", "line": 3, "column": 7, "message": "first", "hint": "do this"}
    assert [p["file"] for p in found] == ["a.yaml", "b.yaml"]


def test_outside_a_repository_commands_say_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("validate", "plan", "apply", "show", "lock", "render"):
        assert main([name]) == 64
        assert "`tinyops init DIR` makes" in capsys.readouterr().err


def test_the_status_of_a_run_with_errors_is_that_of_the_first_step(capsys: Captured) -> None:
    errors: dict[str, TinyopsError] = {
        "image:b": ToolError("no gcc", hint="install it"),
        "compile:a": DoesNotFit("big"),
    }
    failed = Judgement({"wrist": (Miss("image:b", "no gcc"),)})
    low = Judgement({"wrist": (Miss("accuracy_min", "low"),)}, {}, {"wrist": {"linux": "sha256:abc"}})
    assert report(failed, errors, Output(json=False)) == 66
    assert report(low, {}, Output(json=False)) == 67
    assert report(Judgement(), {}, Output(json=False)) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == [
        "error: compile:a: big",
        "error: image:b: no gcc",
        "  install it",
        "held: fleet wrist keeps what it has:",
    ]
    assert lines[-2] == "  accuracy_min: low"
    assert '{gate: accuracy_min, digest: "sha256:abc", reason: …, author: …, until: …}' in lines[-1]


def test_a_table_lines_up_figures_to_the_right() -> None:
    table = Output(json=False).table(("board", "flash"), [("microbit", "5,948"), ("pi", "-"), ("x", "13,048")])
    assert table.splitlines() == [
        "board      flash",
        "────────  ──────",
        "microbit   5,948",
        "pi             -",
        "x         13,048",
    ]


def test_in_a_pipe_progress_is_a_line_an_event(capsys: Captured) -> None:
    step = Step("train", "activity")
    with watcher(json=False) as watching:
        assert isinstance(watching, PlainWatcher)
        watching.started(step)
        watching.finished(step, "built", 6.84)
        watching.finished(step, "released", 0)
        watching.failed(step, ToolError("died\nlong story"))
        watching.note("acme/w: waiting [91 s]")
    assert [line.split() for line in capsys.readouterr().err.splitlines()] == [
        ["train", "activity", "…"],
        ["train", "activity", "done", "in", "6.8", "s"],
        ["train", "activity", "FAILED:", "died"],
        ["acme/w:", "waiting", "[91", "s]"],
    ]


def test_on_a_terminal_a_note_is_a_line_above_the_bars(capsys: Captured) -> None:
    with LiveWatcher() as watching:
        watching.note("acme/w: waiting [91 s]")
    assert "  acme/w: waiting [91 s]" in capsys.readouterr().err


def test_with_json_progress_is_silent(capsys: Captured) -> None:
    with watcher(json=True) as watching:
        watching.started(Step("train", "activity"))
        watching.note("waiting")
    assert capsys.readouterr() == ("", "")


def test_starting_imports_nothing_heavy() -> None:
    import subprocess

    code = "import sys; from tinyops.cli import main; main(['frobnicate']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in ("pydantic", "ruamel", "rich", "numpy", "cryptography", "jinja2"):
        assert name not in done.stdout.split()


def test_what_others_wrote_moves_no_cursor_in_tables_and_notes() -> None:
    hostile = "a\x1b[2Jb\u202ec\td"
    table = Output(json=False).table(("what", "n"), [(hostile, "1")])
    assert "a\ufffd[2Jb\ufffdc\ufffdd" in table and "\x1b" not in table
    assert printable_lines(f"one\n{hostile}") == "one\na\ufffd[2Jb\ufffdc\ufffdd"
    assert printable_lines("größer → 10 ×") == "größer → 10 ×"


@pytest.mark.parametrize(
    ("argv", "said", "hint"),
    [
        (["plna"], "no command 'plna'", "did you mean plan?"),
        (["-C", "/x", "plan"], "no command '/x'", "stand behind a"),
    ],
)
def test_a_word_that_is_no_command(argv: list[str], said: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 64
    told = capsys.readouterr().err
    assert said in told and hint in told and "choose from" not in told
