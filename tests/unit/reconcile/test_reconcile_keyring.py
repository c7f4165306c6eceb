"""`tinyops keys`: which keys there are, who takes them, and moving on to the spare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fakes.projects import KEY, STREAM, TRAINED, fleet, repository
from tinyops.cli import main
from tinyops.errors import ToolError
from tinyops.manifest.keys import PublicKey, SigningKey, load_trust
from tinyops.reconcile import keyring as keyrings
from tinyops.reconcile.keyring import keyring, rotate
from tinyops.release import secrets
from tinyops.release.secrets import load_signing_key

SPARE = "TINYOPS_SPARE_KEY"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that trusts two keys, with both private halves at hand, and three devices that are enrolled."""
    wrist = fleet("wrist", "motion", {"microbit": STREAM}, more="  devices: {file: wrist.csv}\n")
    made = repository(tmp_path_factory.mktemp("keys") / "bench", TRAINED, wrist).root
    for name in (KEY, SPARE):
        if not secrets.secret_path(name, made).exists():
            secrets.new_key(name, made)
    signing, spare = (load_signing_key(name, made, {}).public for name in (KEY, SPARE))
    (made / "specs/trusted.pem").write_bytes(b"# in use\n" + signing.to_pem() + b"# spare\n" + spare.to_pem())
    both = " ".join(sorted(key.key_id[:16] for key in (signing, spare)))
    lines = ["id,board,enrolled,revoked,image_keys"]
    lines += [f"a,microbit,2027-01-02,,{both}", f"b,microbit,2027-01-02,,{signing.key_id[:16]}"]
    lines += ["c,microbit,2027-01-02,,", "gone,microbit,2027-01-02,2027-02-03,", "never,microbit,,,"]
    (made / "specs/wrist.csv").write_text("\n".join(lines) + "\n")
    keyring(made)  # reads the catalogue: the copies find it read
    return made


@pytest.fixture
def root(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (KEY, SPARE):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    return Path(shutil.copytree(first, tmp_path / "bench"))


def public(root: Path, name: str) -> PublicKey:
    return load_signing_key(name, root).public


def trusted(root: Path) -> set[str]:
    return set(load_trust(root / "specs/trusted.pem").keys)


def test_the_list_says_which_key_signs_and_how_many_devices_take_each(root: Path, capsys: Captured) -> None:
    found = {key.key_id: key for key in keyring(root).keys}
    signing, spare = found[public(root, KEY).key_id], found[public(root, SPARE).key_id]
    assert (signing.name, signing.signs, signing.devices) == (KEY, True, 2)
    assert (spare.name, spare.signs, spare.devices) == (SPARE, False, 1)
    assert (keyring(root).devices, keyring(root).unknown) == (3, 1)
    capsys.readouterr()
    assert main(["keys", "-C", str(root), "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{signing.key_id}  {KEY}, signs  2 of 3 devices take it" in lines
    assert lines[-1].startswith("Of 1 devices nobody wrote down")


def test_the_spare_signs_from_now_on_and_everything_stays_trusted(root: Path, capsys: Captured) -> None:
    before, spare = public(root, KEY), public(root, SPARE)
    capsys.readouterr()
    assert main(["keys", "-C", str(root), "rotate", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert public(root, KEY) == spare and done["key_id"] == spare.key_id
    fresh = public(root, SPARE)
    assert fresh.key_id == done["spare_key_id"] and fresh not in (before, spare)
    assert trusted(root) == {before.key_id, spare.key_id, fresh.key_id}
    assert (root / "specs/trusted.pem").read_text().startswith("# in use\n")
    former = Path(done["former"])
    assert former.name == f"{KEY}_{before.key_id[:8].upper()}" and public(root, former.name) == before
    modes = {path.stat().st_mode & 0o777 for path in (root / ".tinyops/secrets").iterdir()}
    assert modes == {0o600}


def test_it_says_what_follows_and_shows_no_private_key(root: Path, capsys: Captured) -> None:
    seeds = [load_signing_key(name, root).secret_bytes() for name in (KEY, SPARE)]
    capsys.readouterr()
    assert main(["keys", "-C", str(root), "rotate"]) == 0
    out, err = capsys.readouterr()
    seeds.append(load_signing_key(SPARE, root).secret_bytes())
    assert "1. Commit" in out and "override" in out and "1 of 3 enrolled devices" in out
    pems = [(root / ".tinyops/secrets" / name).read_text().splitlines()[1] for name in (KEY, SPARE)]
    committed = (root / "specs/trusted.pem").read_text()
    for secret in (*(seed.hex() for seed in seeds), *pems):
        assert secret not in out + err + committed


def test_a_second_rotation_moves_on_again_and_a_fifth_key_has_no_room(root: Path, capsys: Captured) -> None:
    rotate(root)
    second = public(root, SPARE)
    rotate(root)
    assert public(root, KEY) == second and len(trusted(root)) == 4
    assert main(["keys", "-C", str(root), "rotate"]) == 64
    assert "4 keys are trusted, a device keeps 4" in capsys.readouterr().err
    assert public(root, KEY) == second


def test_a_lost_key_is_replaced_by_the_spare(root: Path) -> None:
    (root / ".tinyops/secrets" / KEY).unlink()
    spare = public(root, SPARE)
    done = rotate(root)
    assert done.former is None and public(root, KEY) == spare


def test_a_spare_from_elsewhere_is_taken_by_the_variable_that_names_its_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    spare = public(root, SPARE)
    (root / ".tinyops/secrets" / SPARE).rename(tmp_path / "stick.pem")
    assert main(["keys", "-C", str(root), "rotate"]) == 70
    assert f"set {SPARE}_FILE" in capsys.readouterr().err
    monkeypatch.setenv(f"{SPARE}_FILE", str(tmp_path / "stick.pem"))
    rotate(root)
    assert public(root, KEY) == spare
    assert main(["keys", "-C", str(root), "rotate"]) == 64  # the variable still names it
    assert "is the key that signs already" in capsys.readouterr().err


def test_a_spare_that_no_device_takes_is_refused(root: Path, capsys: Captured) -> None:
    before = public(root, KEY)
    (root / "specs/trusted.pem").write_bytes(before.to_pem())
    assert main(["keys", "-C", str(root), "rotate"]) == 65
    assert "does not trust the spare" in capsys.readouterr().err
    assert public(root, KEY) == before and trusted(root) == {before.key_id}


def test_a_key_that_a_variable_gives_is_not_swapped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, (root / ".tinyops/secrets" / KEY).read_text())
    before = (root / ".tinyops/secrets" / KEY).read_bytes()
    with pytest.raises(ToolError, match=f"comes from the variable {KEY}"):
        rotate(root)
    assert (root / ".tinyops/secrets" / KEY).read_bytes() == before


@pytest.mark.parametrize("call", ["write_atomic", "_keep_former", "write_private", "os.replace"])
def test_killed_anywhere_a_key_that_is_trusted_signs_and_no_private_half_is_lost(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    keys = {public(root, name).key_id for name in (KEY, SPARE)}
    module = keyrings if call == "write_atomic" else secrets

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"{module.__name__}.{call}", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate(root)
    assert public(root, KEY).key_id in keys <= trusted(root)
    assert set(secrets.keys_at_hand(root)) >= keys
    done = rotate(root)  # and the next one goes through
    assert public(root, KEY) == done.key and public(root, SPARE) == done.spare_key


def test_without_committed_keys_those_of_this_machine_are_committed_with_the_spare(root: Path) -> None:
    (root / "specs/trusted.pem").rename(root / ".tinyops/trusted.pem")
    before = set(load_trust(root / ".tinyops/trusted.pem").keys)
    done = rotate(root)
    assert trusted(root) == before | {done.spare_key.key_id}


def test_a_new_key_beside_committed_ones_is_not_said_to_be_trusted(root: Path, capsys: Captured) -> None:
    capsys.readouterr()
    assert main(["keys", "-C", str(root), "new", "OTHER_KEY"]) == 0
    out = capsys.readouterr().out
    assert "is trusted here" not in out and "Copy it into specs/trusted.pem" in out
    assert SigningKey.from_pem((root / ".tinyops/secrets/OTHER_KEY").read_bytes(), where="x").public.key_id not in (
        trusted(root)
    )
