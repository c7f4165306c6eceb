"""Secrets: three ways, one error, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.manifest.keys import parse_public_keys
from tinyops.release.secrets import load_signing_key, new_key
from tinyops.remote.secrets import resolve_secret

CANARY = "c4n4ry-value"


def store(root: Path, name: str, value: str, mode: int = 0o600) -> Path:
    path = root / ".tinyops" / "secrets" / name
    path.parent.mkdir(parents=True)
    path.write_text(value)
    path.chmod(mode)
    return path


def test_the_variable_comes_first_then_the_named_file_then_ours(tmp_path: Path) -> None:
    store(tmp_path, "KEY", "ours")
    named = tmp_path / "named"
    named.write_text("named")
    assert resolve_secret("KEY", tmp_path, {}).value == b"ours"
    assert resolve_secret("KEY", tmp_path, {"KEY_FILE": str(named)}).value == b"named"
    assert resolve_secret("KEY", tmp_path, {"KEY": "direct", "KEY_FILE": str(named)}).value == b"direct"


def test_a_missing_one_names_all_three_ways(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        resolve_secret("IMAGE_KEY", tmp_path, {})
    text = str(caught.value)
    for part in ("set IMAGE_KEY,", "IMAGE_KEY_FILE", ".tinyops/secrets/IMAGE_KEY", "tinyops keys new IMAGE_KEY"):
        assert part in text


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path, "KEY", "x", 0o640)
    with pytest.raises(ToolError, match="others than its owner") as caught:
        resolve_secret("KEY", tmp_path, {})
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("name", ["../x", "a", "", "A/B", "A B", "A" * 200])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        resolve_secret(name, tmp_path, {})


def test_a_value_is_never_shown(tmp_path: Path) -> None:
    secret = resolve_secret("KEY", tmp_path, {"KEY": CANARY})
    assert CANARY not in f"{secret!r} {secret}"
    with pytest.raises(SpecError) as caught:
        load_signing_key("KEY", tmp_path, {"KEY": CANARY})
    assert CANARY not in str(caught.value)
    assert "environment variable KEY" in str(caught.value)


def test_a_new_key_signs_and_is_never_overwritten(tmp_path: Path) -> None:
    made = new_key("KEY", tmp_path)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
    key = load_signing_key("KEY", tmp_path, {})
    assert key.public == made.public
    assert parse_public_keys(made.public.to_pem(), where="x") == (made.public,)
    before = made.path.read_bytes()
    with pytest.raises(SpecError, match="there is a key already"):
        new_key("KEY", tmp_path)
    assert made.path.read_bytes() == before
    assert [p.name for p in made.path.parent.iterdir()] == ["KEY"]


def test_a_key_in_a_variable_works(tmp_path: Path) -> None:
    made = new_key("KEY", tmp_path)
    text = made.path.read_text()
    assert load_signing_key("KEY", tmp_path / "elsewhere", {"KEY": text}).public == made.public
