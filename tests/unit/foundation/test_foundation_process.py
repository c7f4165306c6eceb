import subprocess
import sys
import threading
import time

import pytest

from tinyops import process
from tinyops.errors import ToolError


def python(code: str, **options):
    return process.run([sys.executable, "-c", code], timeout_s=options.pop("timeout_s", 30), **options)


def test_output_lines_come_while_the_program_runs():
    lines: list[str] = []
    done = python("print('a'); print('b')", on_line=lines.append)
    assert lines == ["a", "b"]
    assert done.stdout == "a\nb\n"


def test_standard_input_is_passed():
    assert python("import sys; print(sys.stdin.read()[::-1])", stdin="abc").stdout == "cba\n"


def test_failure_names_the_status_and_the_last_lines():
    with pytest.raises(ToolError) as error:
        python("import sys; sys.stderr.write('first\\nlast\\n'); sys.exit(3)", what="the thing")
    assert error.value.message == "the thing failed: exit status 3\n  | first\n  | last"


def test_a_crash_names_the_signal():
    with pytest.raises(ToolError, match="killed by SIGSEGV"):
        python("import os; os.kill(os.getpid(), 11)")


def test_a_hanging_program_is_killed_with_its_children():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    begin = time.monotonic()
    with pytest.raises(ToolError, match=r"stopped after 0.5 s"):
        python(code, timeout_s=0.5)
    assert time.monotonic() - begin < 30


def test_a_missing_program_says_what_to_do():
    with pytest.raises(ToolError, match="cannot be started") as error:
        process.run(["/absent/program"], timeout_s=1)
    assert "doctor" in error.value.hint
    with pytest.raises(ToolError, match="is not on PATH"):
        process.find_tool("no-such-program-anywhere")


def test_kill_all_ends_what_other_threads_wait_for():
    failed: list[ToolError] = []

    def wait():
        try:
            python("import time; print('up', flush=True); time.sleep(60)", on_line=lambda line: up.set())
        except ToolError as error:
            failed.append(error)

    up = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    assert up.wait(30)
    process.kill_all()
    thread.join(30)
    assert "SIGKILL" in failed[0].message


def test_variables_are_passed_on_only_as_far_as_asked(monkeypatch):
    monkeypatch.setenv("A_SECRET", "canary")
    code = "import os; print(os.environ.get('A_SECRET'), os.environ.get('ADDED'))"
    assert python(code, env={"ADDED": "yes"}).stdout == "canary yes\n"
    assert python(code, env={"ADDED": "yes"}, inherit=lambda name: name == "PATH").stdout == "None yes\n"


def test_on_a_terminal_both_outputs_are_lines_and_what_is_overwritten_is_not_kept():
    code = (
        "import sys; print(sys.stdout.isatty(), sys.stderr.isatty()); "
        "sys.stderr.write('\\r10%'); sys.stderr.write('\\r20%\\nfailed\\n'); sys.exit(3)"
    )
    lines: list[str] = []
    done = python(code, on_line=lines.append, terminal=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "True True\n20%\nfailed\n", "")
    assert [line for line in lines if line] == ["True True", "10%", "20%", "failed"]
    with pytest.raises(ToolError, match=r"exit status 3\n  \| True True\n  \| 20%\n  \| failed"):
        python(code, terminal=True)
    with pytest.raises(ToolError, match="stopped after"):
        python("import time; time.sleep(60)", terminal=True, timeout_s=0.5)
    with pytest.raises(ToolError, match="cannot be started"):
        process.run(["/absent/program"], timeout_s=1, terminal=True)


def test_a_program_that_left_before_it_read_is_ended_all_the_same() -> None:
    child = subprocess.Popen(["true"], stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdin is not None
    child.stdin.write("what nobody reads\n")  # stays in its buffer until it is closed
    while child.poll() is None:
        pass
    process.kill_group(child)
    assert child.stdin.closed
