"""The fuzzer's corpus once, without the fuzzer: what it found stays found, and what it starts from works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.build
FUZZ = Path(__file__).parents[1] / "fuzz"
SCRIPT, CORPUS = FUZZ / "fuzz_compiler.py", FUZZ / "corpus"
MOST_BYTES = 300_000


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)


def test_every_file_of_the_corpus_is_compiled_or_refused() -> None:
    files = sorted(CORPUS.iterdir())
    done = run(*files)
    assert done.returncode == 0, done.stderr
    outcomes = [line.rpartition(": ")[2] for line in done.stdout.splitlines()]
    assert len(outcomes) == len(files)
    assert set(outcomes) == {"compiled", "refused"}


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < MOST_BYTES


def test_without_atheris_it_says_so(tmp_path: Path) -> None:
    """A machine without it: a finder that has everything else."""
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text(
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'atheris' else find(name, *rest)\n"
    )
    done = subprocess.run(
        [sys.executable, SCRIPT], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 70
    assert "fuzzing needs atheris, which is not installed" in done.stderr
