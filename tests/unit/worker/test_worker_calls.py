"""Work in a subprocess: results, errors by kind, noise, death and hanging."""

import textwrap
from pathlib import Path

import pytest

from tinyops.errors import SpecError, ToolError
from tinyops.worker import Event, call_worker


def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, events: list[Event] | None = None, timeout_s: float = 60
) -> object:
    """Calls a worker whose `work(request, emit)` has the body."""
    code = "import os, sys, time\nfrom tinyops.errors import SpecError, ToolError\nfrom tinyops.worker import serve\n"
    code += "def work(request, emit):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    code += "\nif __name__ == '__main__':\n    sys.exit(serve(work))\n"
    (tmp_path / "made_worker.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    on_event = (events if events is not None else []).append
    return call_worker("made_worker", {"n": 2}, what="doubling", timeout_s=timeout_s, on_event=on_event)


def test_a_result_and_progress_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    body = "emit({'progress': 1})\nreturn {'double': 2 * request['n']}"
    assert call(tmp_path, monkeypatch, body, events) == {"double": 4}
    assert events[0] == {"progress": 1}


def test_what_a_library_prints_is_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "print('{\"result\": 1}', flush=True)\nos.write(1, b'junk\\n')\nreturn {'ok': 1}"
    events: list[Event] = []
    assert call(tmp_path, monkeypatch, body, events) == {"ok": 1}
    assert events == [{"result": {"ok": 1}}]


@pytest.mark.parametrize(("kind", "code"), [(SpecError, 65), (ToolError, 70)])
def test_errors_keep_their_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[SpecError | ToolError], code: int
) -> None:
    with pytest.raises(kind, match="no good") as caught:
        call(tmp_path, monkeypatch, f"raise {kind.__name__}('no good', hint='do better')")
    assert (caught.value.hint, caught.value.exit_code) == ("do better", code)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.stderr.write('last words\\n'); sys.stderr.flush(); os.kill(os.getpid(), 11)", "SIGSEGV\n  | last words"),
        ("raise ZeroDivisionError('oh')", "ZeroDivisionError: oh"),
        ("os._exit(0)", "doubling failed: exit status 0"),
        ("emit({'progress': 1}); os.write(3, b'{\"resu'); os._exit(9)", "doubling failed: exit status 9"),
    ],
)
def test_a_worker_that_dies_is_a_tool_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    with pytest.raises(ToolError) as caught:
        call(tmp_path, monkeypatch, body)
    assert message in caught.value.message


def test_a_worker_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match="doubling: stopped after 1 s"):
        call(tmp_path, monkeypatch, "time.sleep(600)", timeout_s=1)


def test_a_worker_gets_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYOPS_IMAGE_KEY", "canary")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    found = call(tmp_path, monkeypatch, "return dict(os.environ)")
    assert isinstance(found, dict)
    assert found["TF_NUM_INTRAOP_THREADS"] == "1"
    assert "TINYOPS_IMAGE_KEY" not in found
