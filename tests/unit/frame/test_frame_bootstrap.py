"""Set-up: what it decides, and what it says on machines that lack something."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / ".ci" / "bootstrap.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap = load()


def python(version: tuple[int, ...], *, has_venv: bool = True, prefix: str = "/usr") -> object:
    return bootstrap.Python(f"{prefix}/bin/python3", version, prefix, has_venv)


def put(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


# -- Python ------------------------------------------------------------------------------------


def test_versions_that_tensorflow_has_packages_for() -> None:
    answers = {(3, 10, 13): False, (3, 11, 0): True, (3, 13, 9): True, (3, 14, 0): False, (2, 7, 18): False}
    assert {version: bootstrap.is_supported(version) for version in answers} == answers


def test_an_interpreter_that_can_make_environments_comes_first() -> None:
    bare, complete = python((3, 11, 2), has_venv=False), python((3, 12, 1), prefix="/opt/py")
    assert bootstrap.choose_python([python((3, 10, 1)), bare, complete]) == complete
    assert bootstrap.choose_python([bare]) == bare


def test_an_old_python_gets_one_message_with_the_command_to_type() -> None:
    with pytest.raises(bootstrap.CannotSetUp) as caught:
        bootstrap.choose_python([python((3, 10, 12))])
    assert "3.11 to 3.13" in str(caught.value)
    assert "/usr/bin/python3 is 3.10.12" in str(caught.value)
    assert "\n    sudo apt-get install python3.11 python3.11-venv\n" in str(caught.value)


def test_debian_ships_venv_as_a_package_of_its_own() -> None:
    assert bootstrap.venv_package(python((3, 12, 3), has_venv=False)) == "python3.12-venv"
    assert bootstrap.venv_package(python((3, 12, 3))) is None
    with pytest.raises(bootstrap.CannotSetUp, match="complete Python"):
        bootstrap.venv_package(python((3, 12, 3), has_venv=False, prefix="/opt/py"))


def test_looking_at_an_interpreter() -> None:
    found = bootstrap.look_at(sys.executable)
    assert found.version == tuple(sys.version_info[:3])
    assert found.has_venv
    assert bootstrap.look_at("/nowhere/python3") is None


# -- .venv -------------------------------------------------------------------------------------

WANTED = {"state": "done", "root": "/src", "inputs": "aa"}


@pytest.mark.parametrize(
    ("mark", "exists", "works", "action"),
    [
        (None, False, False, "create"),
        (WANTED, True, True, "nothing"),
        ({**WANTED, "inputs": "bb"}, True, True, "update"),
        ({**WANTED, "state": "begun"}, True, True, "recreate"),  # interrupted
        ({**WANTED, "root": "/elsewhere"}, True, True, "recreate"),  # moved or copied: its scripts name the old place
        (WANTED, True, False, "recreate"),  # the system's Python is another now
        ({}, True, True, "recreate"),  # a mark that cannot be read
        (None, True, True, "update"),  # made by hand
        (None, True, False, "recreate"),
    ],
)
def test_next_action(mark: dict[str, str] | None, exists: bool, works: bool, action: str) -> None:
    assert bootstrap.next_action(mark, exists, WANTED, works) == action


def test_the_mark_covers_dependencies_and_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [tmp_path / "pyproject.toml", tmp_path / "requirements.txt"]
    for file in inputs:
        file.write_text("a")
    monkeypatch.setattr(bootstrap, "INPUTS", inputs)
    seen = {bootstrap.wanted_mark()["inputs"]}
    for file in inputs:
        file.write_text("b")
        seen.add(bootstrap.wanted_mark()["inputs"])
    assert len(seen) == 3


# -- Debian packages ---------------------------------------------------------------------------


def test_size_of_what_apt_would_fetch() -> None:
    uris = (
        "'http://host/pool/a.deb' a_1%3a2_amd64.deb 1500000 SHA256:00\n"
        "'http://host/pool/b.deb' b_3_all.deb 500000 MD5Sum:11\n"
        "some other line 99\n"
    )
    assert bootstrap.download_bytes(uris) == 2_000_000
    assert bootstrap.download_bytes("") == 0


def test_everything_is_missing_on_an_empty_machine(path: Path) -> None:
    assert bootstrap.missing_packages() == [
        "git",
        "gcc",
        "gcc-arm-none-eabi",
        "qemu-system-arm",
        "gcc-aarch64-linux-gnu",
        "qemu-user",
        "clang",
        "lld",
        "chromium",
        "nodejs",
        "npm",
        "libc6-dev",
        "libnewlib-arm-none-eabi",
        "libc6-dev-arm64-cross",
    ]


def test_what_the_example_needs_is_there_after_the_first_of_the_two_commands(path: Path) -> None:
    """Every program that the example's lock names comes with a Debian package of the base set, or from npm."""
    from tinyops.specs.lock import load_lock
    from tinyops.toolchain import debian_packages

    lock = load_lock(ROOT / "specs/tinyops.lock.yaml")
    needed = set(debian_packages([*lock.compilers, *lock.emulators]))
    assert needed <= set(bootstrap.missing_packages()), "`make demo` would lack it"


def test_a_compiler_without_its_library_is_noticed(path: Path) -> None:
    compilers = ("gcc", "arm-none-eabi-gcc", "aarch64-linux-gnu-gcc")
    for name in (name for name in bootstrap.PROGRAMS if name not in compilers):
        put(path, name, "exit 0")
    for name in ("gcc", "aarch64-linux-gnu-gcc"):
        put(path, name, "echo /usr/lib/crt1.o")
    put(path, "arm-none-eabi-gcc", "echo nano.specs")  # the bare name: not found
    assert bootstrap.missing_packages() == ["libnewlib-arm-none-eabi"]


def test_what_only_tests_need_is_asked_for_apart(path: Path) -> None:
    wanted = bootstrap.missing_packages(bootstrap.TEST_PROGRAMS, bootstrap.TEST_COMPILER_FILES)
    assert {"cmake", "gcc-riscv64-unknown-elf", "avr-libc", "simavr"} < set(wanted)
    assert not set(wanted) & set(bootstrap.missing_packages())


def test_emulators_that_cannot_be_installed_stop_ci_and_nobody_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_apt(path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("CI", raising=False)
    assert bootstrap.install_for_tests() is False
    assert "the tests that need them are skipped. Debian packages are missing: " in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    with pytest.raises(bootstrap.CannotSetUp, match="simavr"):
        bootstrap.install_for_tests()


def fake_apt(folder: Path) -> Path:
    """An apt-get that writes down how it is called, and knows what it would fetch."""
    log = folder / "log"
    put(
        folder,
        "apt-get",
        f'echo "$@" >> {log}\ncase "$*" in *--print-uris*) echo "\'u\' a.deb 12000000 SHA256:0";; esac',
    )
    put(folder, "env", 'shift\nexec "$@"')
    return log


def test_root_installs_and_announces_the_size(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = fake_apt(path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    bootstrap.install_debian(["gcc", "git"])
    calls = log.read_text().splitlines()
    assert calls[0].startswith("update")
    assert calls[-1].startswith("install --yes --no-install-recommends gcc git")
    assert "downloading 12 MB" in capsys.readouterr().out


def test_sudo_is_used_where_it_asks_for_no_password(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_apt(path)
    put(path, "sudo", f'echo "sudo $@" >> {log}\nshift\nexec "$@"')
    put(path, "true", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bootstrap.install_debian(["gcc"])
    calls = log.read_text().splitlines()
    assert "sudo -n apt-get update -qq" in calls
    assert "install --yes --no-install-recommends gcc -qq" in calls
    assert "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends gcc -qq" in calls


@pytest.mark.parametrize(
    ("sudo", "command"),
    [
        (True, "\n    sudo apt-get install --no-install-recommends gcc git\n"),
        (False, '\n    su -c "apt-get install --no-install-recommends gcc git"\n'),
    ],
)
def test_without_rights_nothing_is_tried_and_the_command_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, sudo: bool, command: str
) -> None:
    log = fake_apt(path)
    if sudo:
        put(path, "sudo", "exit 1")  # wants a password
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.CannotSetUp) as caught:
        bootstrap.install_debian(["gcc", "git"])
    assert command in str(caught.value)
    assert not log.exists()


def test_other_systems_are_told_the_names_and_the_way_out() -> None:
    text = bootstrap.explain_missing(["gcc"], has_apt=False, has_sudo=True)
    assert "gcc" in text
    assert "devcontainer" in text
    assert "apt-get install" not in text


def test_a_failing_apt_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(path)
    put(path, "apt-get", "exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(bootstrap.CannotSetUp, match="exit status 100"):
        bootstrap.install_debian(["gcc"])


# -- Python packages ---------------------------------------------------------------------------


def test_users_settings_do_not_send_packages_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "file:///mirror")
    env = bootstrap.pip_environment()
    assert "PIP_TARGET" not in env
    assert env["PIP_INDEX_URL"] == "file:///mirror"


def test_a_full_disk_is_noticed_before_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DISK_MB", 10**9)
    with pytest.raises(bootstrap.CannotSetUp, match=r"MB free, 1,000,000,000 MB are needed"):
        bootstrap.check_disk()


def test_the_pins_are_exact_and_carry_digests() -> None:
    text = (ROOT / ".ci" / "requirements.txt").read_text()
    assert bootstrap.announced_mb(text) > 274  # TensorFlow alone
    requirements = [r for r in text.replace("\\\n", " ").splitlines() if r and not r.startswith("#")]
    assert all("==" in r and "--hash=sha256:" in r for r in requirements)


def test_the_pins_hold_what_pyproject_asks_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [r for extra in project["optional-dependencies"].values() for r in extra] + project["dependencies"]
    pinned = (ROOT / ".ci" / "requirements.txt").read_text()
    for requirement in asked:
        requirement = requirement.partition(";")[0]  # what follows says where it is wanted
        name = requirement.partition(">")[0].partition("=")[0].partition("[")[0].lower().replace(".", "-")
        line = requirement if "==" in requirement else f"{name}=="
        assert any(pin.startswith(line) for pin in pinned.splitlines()), f"{requirement}: run `make pin`"


# -- As a program ------------------------------------------------------------------------------


def run_script(folder: Path, path: str, script: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={"PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


def a_checkout(folder: Path) -> Path:
    """A checkout with a set-up of its own, whose package needs nothing from the network."""
    (folder / ".ci").mkdir(parents=True)
    script = folder / ".ci" / "bootstrap.py"
    script.write_bytes(SCRIPT.read_bytes())
    (folder / ".ci" / "requirements.txt").write_text("# download: 1 MB\n")
    node = folder / "tinyops" / "twin" / "node"
    node.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (node / name).write_text("{}")
    (folder / "bin").mkdir()
    put(folder / "bin", "npm", 'mkdir -p "$3/node_modules" && echo "{}" > "$3/node_modules/.package-lock.json"')
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "example"\nversion = "1"\n'
    )
    (folder / "backend.py").write_text(
        "import zipfile\n"
        "def build_editable(folder, config_settings=None, metadata_directory=None):\n"
        "    name = 'example-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{folder}/{name}', 'w') as wheel:\n"
        "        wheel.writestr('example-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: example\\nVersion: 1')\n"
        "        wheel.writestr('example-1.dist-info/WHEEL',\n"
        "                       'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr('example-1.dist-info/RECORD', '')\n"
        "    return name\n"
    )
    return script


def test_a_machine_without_anything_ends_in_one_message(tmp_path: Path) -> None:
    script = a_checkout(tmp_path)
    done = run_script(tmp_path, str(tmp_path), script)
    assert done.returncode == 70
    assert done.stderr.startswith("set-up: These are missing, by their Debian names: git gcc ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.build
def test_set_up_once_then_never_again_until_something_changed(tmp_path: Path) -> None:
    script = a_checkout(tmp_path)
    mark = tmp_path / ".venv" / "tinyops-setup.json"

    programs = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    first = run_script(tmp_path, programs, script)
    assert first.returncode == 0, first.stderr
    assert "1 MB to download" in first.stdout
    assert json.loads(mark.read_text())["state"] == "done"
    installed = [p.name for p in (tmp_path / ".venv").glob("lib/*/site-packages/example-*")]
    assert installed == ["example-1.dist-info"]

    second = run_script(tmp_path, programs, script)
    assert second.stdout == "set-up: nothing to do, .venv and the Debian packages are there\n"

    mark.write_text(json.dumps({**json.loads(mark.read_text()), "state": "begun"}))  # as a kill leaves it
    (tmp_path / ".venv" / "half").touch()
    third = run_script(tmp_path, programs, script)
    assert "removing a .venv that is unfinished" in third.stdout
    assert not (tmp_path / ".venv" / "half").exists()
    assert json.loads(mark.read_text())["state"] == "done"

    (tmp_path / ".ci" / "requirements.txt").write_text("no-such-package==1 --hash=sha256:" + "0" * 64 + "\n")
    failed = run_script(tmp_path, programs, script, PIP_NO_INDEX="1")
    assert failed.returncode == 70
    assert json.loads(mark.read_text())["state"] == "begun"
