"""The user's function: called alone, its errors told with its own lines."""

from pathlib import Path

import pytest

from tinyops.errors import SpecError
from tinyops.train.user_function import call_entry


def call(tmp_path: Path, source: str, *args: object, **kwargs: object) -> object:
    path = tmp_path / "mine.py"
    path.write_text(source)
    return call_entry(path, "build", *args, **kwargs)


def test_arguments_and_result_pass_through(tmp_path: Path) -> None:
    assert call(
        tmp_path, "def build(shape, classes, width):\n    return (shape, classes, width)", (4, 2), 3, width=8
    ) == (
        (4, 2),
        3,
        8,
    )


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (
            "def helper():\n    return 1 / 0\ndef build():\n    return helper()",
            [
                "build failed: ZeroDivisionError",
                "mine.py:4, in build: return helper()",
                "mine.py:2, in helper: return 1 / 0",
            ],
        ),
        ("def build(:\n    pass", ["SyntaxError", "mine.py:1: def build(:"]),
        ("def build():\n    raise SystemExit(3)", ["build failed: SystemExit: 3", "mine.py:2"]),
        ("import no_such_module", ["ModuleNotFoundError", "mine.py:1", "the file must stand alone"]),
        ("build = 3", ["mine.py: has no function build"]),
        ("def build(wrong):\n    pass", ["build failed: TypeError", "missing 1 required positional argument"]),
    ],
)
def test_errors_show_the_users_own_lines(tmp_path: Path, source: str, lines: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        call(tmp_path, source)
    assert all(line in str(caught.value) for line in lines), str(caught.value)
    assert "importlib" not in str(caught.value) and "user_function" not in str(caught.value)
