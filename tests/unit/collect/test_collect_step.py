"""The step over real files and wheels in a folder: what comes out, and each kind of bad data by name."""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.collect
from tinyops import fetching
from tinyops.artifacts import Progress, Step
from tinyops.collect import wheel_source
from tinyops.errors import RemoteError, SpecError
from tinyops.recordings import load
from tinyops.specs.model import DatasetSpec

SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2, 4], "rate_hz": 10}
PER_CLASS = 4
Edit = Callable[[dict[str, np.ndarray[Any, Any]]], None]


def values_of(number: int) -> np.ndarray[Any, Any]:
    return np.stack([np.linspace(-1, 1, 6) * (1 + number) / 10, np.full(6, number / 4)], axis=1)


def spec(source: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"classes": ["rest", "walk"], "signal": SIGNAL, "sources": [source], **more}


def run(dataset: dict[str, Any], out: Path, inputs: dict[str, Path] | None = None) -> dict[str, Any]:
    settings = {"dataset": DatasetSpec.model_validate(dataset).model_dump(mode="json"), "revision": 1}
    out.mkdir(exist_ok=True)
    return tinyops.collect.run(Step("collect", "x", settings), inputs or {}, out, lambda _: None)


def write_files(folder: Path, edit: Edit = lambda _: None) -> Path:
    """Recordings and their index; `edit` changes the values before they are written."""
    arrays = {f"{label}-{i}.csv": values_of(i + 10 * (label == "walk")) for label in ("rest", "walk") for i in range(4)}
    edit(arrays)
    lines = ["# sha256 label file"]
    for name, values in arrays.items():
        text = "ax,ay\n" + "".join(",".join(str(v) for v in row) + "\n" for row in values)
        (folder / name).write_text(text)
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()} {name.partition('-')[0]} {name}")
    index = folder / "data.index"
    index.write_text("\n".join(lines) + "\n")
    return index


FILES = {"kind": "files", "index": "data.index", "format": "csv"}


def collect_files(tmp_path: Path, edit: Edit = lambda _: None, **more: Any) -> tuple[dict[str, Any], Path]:
    index = write_files(tmp_path, edit)
    return run(spec(FILES, **more), tmp_path / "out", {"index-0": index}), tmp_path / "out"


def test_files_become_counts_on_two_sides(tmp_path: Path) -> None:
    facts, out = collect_files(tmp_path)
    recordings = load(out / "recordings.npz")
    assert facts["counts"] == {"train": {"rest": 3, "walk": 3}, "test": {"rest": 1, "walk": 1}}
    assert recordings.ids[0] == "rest-0.csv" and len(recordings) == 8
    number = recordings.ids.index("rest-1.csv")
    assert recordings.frames(number)[0].tolist() == [round(-0.2 / 2 * 32768), 0.25 / 4 * 32768]
    described = json.loads((out / "dataset.json").read_text())
    assert [r["label"] for r in described["recordings"]].count("walk") == 4
    assert described["classes"] == ["rest", "walk"] and described["signal"]["rate_hz"] == 10


def test_the_same_recordings_give_the_same_bytes(tmp_path: Path) -> None:
    _, out = collect_files(tmp_path)
    first = {p.name: p.read_bytes() for p in out.iterdir()}
    _, out = collect_files(tmp_path, licence="CC0", origin="a drawer", checks={"range": [-9, 9]})
    assert {p.name: p.read_bytes() for p in out.iterdir()} == first  # so that editing a licence retrains nothing


def set_value(name: str, frame: int, channel: int, value: float) -> Edit:
    def edit(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        arrays[name][frame, channel] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_value("walk-2.csv", 3, 1, float("nan")), r"walk-2.csv:2: nan in frame 3, channel ay \(1 such values\)"),
        (set_value("rest-0.csv", 0, 0, float("inf")), r"rest-0.csv:2: inf in frame 0, channel ax"),
        (set_value("rest-0.csv", 5, 0, -9.5), r"-9.5 in frame 5, channel ax is outside checks.range -5 to 5"),
    ],
)
def test_values_that_no_sensor_sends_are_named(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        collect_files(tmp_path, edit, checks={"range": [-5, 5]})


def test_values_beyond_full_scale_saturate_and_are_counted(tmp_path: Path) -> None:
    facts, out = collect_files(tmp_path, set_value("rest-0.csv", 0, 0, 2.5))
    assert facts["clipped_share"] == round(1 / (8 * 12), 6)
    assert load(out / "recordings.npz").counts.max() == 32767


def keep(*labels: str) -> Edit:
    def edit(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        for name in [n for n in arrays if n.partition("-")[0] not in labels]:
            del arrays[name]

    return edit


def test_one_class_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="all recordings have one class, walk: nothing to tell apart"):
        collect_files(tmp_path, keep("walk"))


def test_too_few_recordings_of_a_class_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="class rest: 4 recordings that differ, wanted at least 5"):
        collect_files(tmp_path, checks={"min_recordings_per_class": 5})


def test_fewer_recordings_than_classes_are_an_error(tmp_path: Path) -> None:
    index = write_files(tmp_path)
    index.write_text("\n".join(index.read_text().splitlines()[:3]))
    dataset = spec(FILES) | {"classes": ["rest", "walk", "run"]}
    with pytest.raises(SpecError, match="2 recordings are fewer than the 3 classes"):
        run(dataset, tmp_path / "out", {"index-0": index})


def test_a_misspelt_label_gets_a_suggestion(tmp_path: Path) -> None:
    index = write_files(tmp_path)
    index.write_text(index.read_text().replace(" walk ", " wlak "))
    with pytest.raises(SpecError, match="the label 'wlak' is not one of the dataset's classes: did you mean walk"):
        run(spec(FILES), tmp_path / "out", {"index-0": index})


def test_copies_count_once(tmp_path: Path) -> None:
    def edit(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        arrays["rest-9.csv"] = arrays["rest-0.csv"]

    facts, out = collect_files(tmp_path, edit)
    assert facts["copies"] == ["rest-9.csv"]
    assert len(load(out / "recordings.npz")) == 8


def test_copies_are_no_evidence_for_the_least_number(tmp_path: Path) -> None:
    def edit(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        arrays["rest-3.csv"] = arrays["rest-2.csv"] = arrays["rest-1.csv"]

    with pytest.raises(SpecError, match="class rest: 2 recordings that differ, wanted at least 4"):
        collect_files(tmp_path, edit, checks={"min_recordings_per_class": 4})


def test_one_content_under_two_labels_is_an_error(tmp_path: Path) -> None:
    def edit(arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        arrays["walk-0.csv"] = arrays["rest-0.csv"]

    with pytest.raises(SpecError, match=r"walk-0\.csv has the same content as rest-0\.csv"):
        collect_files(tmp_path, edit)


def test_missing_and_changed_files_are_all_named(tmp_path: Path) -> None:
    index = write_files(tmp_path)
    (tmp_path / "rest-1.csv").unlink()
    with (tmp_path / "walk-3.csv").open("a") as file:
        file.write("0,0\n")
    with pytest.raises(SpecError) as caught:
        run(spec(FILES), tmp_path / "out", {"index-0": index})
    assert [(p.line, p.message.split(":")[0]) for p in caught.value.problems] == [(3, "rest-1.csv"), (9, "walk-3.csv")]
    assert "the file is missing" in caught.value.message and "has changed" in caught.value.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("abc rest a.csv", "'abc' is not a sha256"),
        ("rest a.csv", "wanted a sha256, a label and a file name"),
        (f"{'0' * 64} rest ../a.csv", "leads out of the index's folder"),
        (f"{'0' * 64} rest /etc/passwd", "leads out of the index's folder"),
        (f"{'0' * 64} rest rest-0.csv", "is named in line 2 already"),
    ],
)
def test_bad_lines_of_an_index_are_named(tmp_path: Path, line: str, message: str) -> None:
    index = write_files(tmp_path)
    index.write_text(index.read_text() + line + "\n")
    with pytest.raises(SpecError, match=message) as caught:
        run(spec(FILES), tmp_path / "out", {"index-0": index})
    assert [(p.file, p.line) for p in caught.value.problems] == [(str(index), 10)]


def test_a_pipe_in_place_of_a_file_is_not_opened(tmp_path: Path) -> None:
    index = write_files(tmp_path)
    (tmp_path / "rest-1.csv").unlink()
    os.mkfifo(tmp_path / "rest-1.csv")
    with pytest.raises(SpecError, match=r"rest-1.csv: is not a file"):
        run(spec(FILES), tmp_path / "out", {"index-0": index})


# -- wheels ------------------------------------------------------------------------------------


def make_wheel(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def csv_members() -> dict[str, bytes]:
    def text(number: int) -> bytes:
        return "".join(f"{a},{b}\n" for a, b in values_of(number)).encode()

    return {f"acme/data/{c}/{i}.csv": text(i + 10 * (c == "walk")) for c in ("rest", "walk") for i in range(4)}


def wheel_spec(digest: str, members: tuple[str, ...] = ("acme/data/*/*.csv",)) -> dict[str, Any]:
    source = {"kind": "wheel", "package": "acme", "version": "1.0", "sha256": f"sha256:{digest}", "format": "csv"}
    return spec({**source, "members": list(members)})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "downloads"
    folder.mkdir(parents=True)
    return folder


def put(cache: Path, members: dict[str, bytes]) -> str:
    digest = make_wheel(cache / "new", members)
    (cache / "new").rename(cache / digest)
    return digest


def test_a_wheel_in_the_cache_is_read_without_pip(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "run", None)
    run(wheel_spec(put(cache, csv_members())), tmp_path / "out")
    recordings = load(tmp_path / "out" / "recordings.npz")
    assert recordings.ids[-1] == "acme/data/walk/3.csv:1" and recordings.labels.tolist() == [0] * 4 + [1] * 4


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip sees: real pip, no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return folder


def put_package(index: Path) -> str:
    info = {"METADATA": b"Metadata-Version: 2.1\nName: acme\nVersion: 1.0\nRequires-Python: <3\n", "RECORD": b""}
    info["WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = csv_members() | {f"acme-1.0.dist-info/{name}": data for name, data in info.items()}
    return make_wheel(index / "acme-1.0-py3-none-any.whl", members)


def test_a_wheel_is_fetched_once_and_kept_by_its_digest(cache: Path, index: Path, tmp_path: Path) -> None:
    digest = put_package(index)
    said: list[Progress] = []
    settings = {"dataset": DatasetSpec.model_validate(wheel_spec(digest)).model_dump(mode="json")}
    for _ in range(2):
        (tmp_path / "out").mkdir(exist_ok=True)
        tinyops.collect.run(Step("collect", "x", settings), {}, tmp_path / "out", said.append)
    assert [p.name for p in cache.iterdir()] == [digest]
    assert [p.message for p in said if p.message.startswith("fetching")] == ["fetching acme 1.0 through pip…"]


def test_a_wheel_with_another_digest_is_not_read(cache: Path, index: Path, tmp_path: Path) -> None:
    found = put_package(index)
    with pytest.raises(RemoteError, match=rf"the spec pins sha256:{'0' * 64}, what pip fetched is sha256:{found}"):
        run(wheel_spec("0" * 64), tmp_path / "out")
    assert list(cache.iterdir()) == []


def test_a_wheel_that_cannot_be_fetched_is_a_remote_error(cache: Path, index: Path, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"acme 1\.0: pip could not fetch it") as caught:
        run(wheel_spec("0" * 64), tmp_path / "out")
    assert caught.value.exit_code == 69


def test_a_damaged_cache_entry_is_fetched_again(cache: Path, index: Path, tmp_path: Path) -> None:
    digest = put_package(index)
    (cache / digest).write_bytes(b"cut off")
    run(wheel_spec(digest), tmp_path / "out")
    assert hashlib.sha256((cache / digest).read_bytes()).hexdigest() == digest


def test_a_pattern_that_matches_nothing_is_named(cache: Path, tmp_path: Path) -> None:
    digest = put(cache, csv_members())
    with pytest.raises(SpecError, match=r"'acme/\*\.csv' matches nothing in the wheel\n.*acme/data/rest/0.csv"):
        run(wheel_spec(digest, ("acme/*.csv",)), tmp_path / "out")


def test_a_member_that_lies_about_its_size_is_cut(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_source, "MEMBER_LIMIT_BYTES", 1000)
    digest = put(cache, csv_members() | {"acme/data/walk/9.csv": b"0,0\n" * 1000})
    with pytest.raises(SpecError, match=r"acme/data/walk/9.csv: unpacks to 4,000 bytes, more than 1,000"):
        run(wheel_spec(digest), tmp_path / "out")


def test_a_member_twice_is_refused(cache: Path, tmp_path: Path) -> None:
    path = cache / "new"
    make_wheel(path, csv_members())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("acme/data/walk/1.csv", b"0,0\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(cache / digest)
    with pytest.raises(SpecError, match=r"holds acme/data/walk/1.csv twice"):
        run(wheel_spec(digest), tmp_path / "out")


def test_a_file_that_is_no_archive_is_refused(cache: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"no zip").hexdigest()
    (cache / digest).write_bytes(b"no zip")
    with pytest.raises(SpecError, match="the wheel is damaged"):
        run(wheel_spec(digest), tmp_path / "out")


def test_star_stays_within_a_folder() -> None:
    assert wheel_source.matches("a/b/c.ts", "a/*/*.ts")
    assert not wheel_source.matches("a/b/c.ts", "a/*.ts")
    assert not wheel_source.matches("a/c.ts.exe", "a/*.ts")


def test_sources_and_outputs_are_plain_files(tmp_path: Path) -> None:
    _, out = collect_files(tmp_path)
    assert sorted(p.name for p in out.iterdir()) == ["dataset.json", "recordings.npz"]
    assert all(stat.S_ISREG(p.stat().st_mode) for p in out.iterdir())


def test_of_an_anomaly_task_only_what_is_normal_is_trained_on(tmp_path: Path) -> None:
    _, out = collect_files(tmp_path, task="anomaly", normal="rest")
    described = json.loads((out / "dataset.json").read_text())
    assert described["normal"] == "rest"
    assert described["counts"] == {"train": {"rest": 3, "walk": 0}, "test": {"rest": 1, "walk": 4}}


def test_groups_are_written_when_asked_for_and_change_nothing_else(tmp_path: Path) -> None:
    _, plain = collect_files(tmp_path)
    assert not (plain / "groups.json").exists()
    dataset = DatasetSpec.model_validate(spec(FILES)).model_dump(mode="json")
    grouped = tmp_path / "grouped"
    grouped.mkdir()
    step = Step("collect", "x", {"dataset": dataset, "revision": 1, "groups": True})
    tinyops.collect.run(step, {"index-0": tmp_path / "data.index"}, grouped, lambda _: None)
    for name in ("recordings.npz", "dataset.json"):
        assert (grouped / name).read_bytes() == (plain / name).read_bytes()
    groups = json.loads((grouped / "groups.json").read_text())
    assert groups["by"] == "recording" and len(set(groups["groups"])) == len(load(grouped / "recordings.npz"))
