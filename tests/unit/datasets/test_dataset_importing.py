"""`tinyops data add`: what becomes a recording, how it is named, and what is refused with nothing written."""

import io
import re
import wave
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from fakes.recorded import Repo, npy, repo, rows
from tinyops.datasets.adding import add_recordings, take_addition
from tinyops.datasets.formats import FORMATS
from tinyops.datasets.naming import name_of, name_rule
from tinyops.datasets.take import Clock, Take, TakeFacts, read_take
from tinyops.errors import UsageError
from tinyops.files import digest_bytes
from tinyops.specs.recorded import recorded_dataset

__all__ = ["repo"]

SOUND = "sensor: microphone, channels: [x], units: [FS], full_scale: [1], rate_hz: 8000"
PICTURE = 'sensor: camera, channels: [grey], units: ["1"], full_scale: [1], size: [3, 4]'


# -- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "path", "name"),
    [
        ("folder", "/a/b/yes/x.wav", "yes"),
        ("*_{}.npy", "/in_box/2025_wave.npy", "wave"),
        ("{}_nohash_*", "/x/022cd682_nohash_0.wav", "022cd682"),
        ("{}/*/*.csv", "/data/s02/watch/a.csv", "s02"),
        ("{}-*.csv", "/d/shake-1-2.csv", "shake"),
    ],
)
def test_names_are_taken_out_of_paths(rule: str, path: str, name: str) -> None:
    assert name_of(PurePosixPath(path), name_rule(rule, "--label-from"), "--label-from") == name


@pytest.mark.parametrize("rule", ["", "*", "{}{}", "x" * 300 + "{}"])
def test_a_rule_has_one_name(rule: str) -> None:
    with pytest.raises(UsageError, match=r"--label-from .*: is neither folder nor a pattern with one \{\}"):
        name_rule(rule, "--label-from")


def test_a_path_that_a_rule_does_not_fit_is_named() -> None:
    with pytest.raises(UsageError, match=r"/d/a.npy: --label-from does not fit"):
        name_of(PurePosixPath("/d/a.npy"), name_rule("*_{}.npy", "--label-from"), "--label-from")


# -- what is added -------------------------------------------------------------------------


def test_files_are_copied_by_digest_and_described(repo: Repo) -> None:
    for label in ("rest", "shake"):
        for number in range(2):
            repo.file(f"{label}/{number}.csv", rows(number + 10 * (label == "shake"), frames=4 + number))
    repo.file("rest/notes.txt", "not data")
    value = repo.json("add", "wrist", repo.root.parent / "inbox", "--label-from", "folder", "--subject", "anna")
    assert value["counts"] == {"rest": 2, "shake": 2}
    assert value["passed_over"] == 1
    assert {(e.label, e.subject, e.frames, e.format) for e in repo.entries} == {
        (label, "anna", frames, "csv") for label in ("rest", "shake") for frames in (4, 5)
    }
    first = next(e for e in repo.entries if e.label == "shake" and e.frames == 4)
    assert (first.low, first.high, first.mean, first.clipped) == ((1, 0), (1, 0.3), (1, 0.15), 0)
    for entry in repo.entries:
        data = (repo.root / "data" / "wrist" / entry.path).read_bytes()
        assert (digest_bytes(data), len(data)) == (entry.sha256, entry.bytes)


def test_the_same_again_adds_nothing_and_a_new_file_is_added(repo: Repo) -> None:
    inbox = repo.file("a.csv", rows(1)).parent
    repo.json("add", "wrist", inbox, "--label", "rest")
    before = repo.index.read_bytes()
    assert repo.json("add", "wrist", inbox, "--label", "rest")["known"] == [str(inbox / "a.csv")]
    assert repo.index.read_bytes() == before
    repo.file("b.csv", rows(2))
    assert len(repo.json("add", "wrist", inbox, "--label", "rest")["added"]) == 1
    assert len(repo.entries) == 2


def test_without_a_label_recordings_wait_for_one(repo: Repo) -> None:
    repo.json("add", "wrist", repo.file("a.csv", rows(1)), "--rate", "10")
    assert [(e.label, e.rate_hz) for e in repo.entries] == [("", 10)]


def test_dry_run_writes_nothing(repo: Repo) -> None:
    code, out, _ = repo.run("add", "wrist", repo.file("a.csv", rows(1)), "--label", "rest", "--dry-run")
    assert code == 0 and "would be added" in out
    assert not (repo.root / "data").exists()


def test_what_goes_behind_a_url_is_said_to_be_here_alone(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(repo.root / "cache"))
    _, _, err = repo.run("add", "wrist", repo.file("a.csv", rows(1)), "--label", "rest")
    assert "data push" not in err
    spec = next(path for path in (repo.root / "specs").glob("*.yaml") if "data/wrist.csv" in path.read_text())
    spec.write_text(spec.read_text().replace("data/wrist.csv", "data/wrist.csv, url: 'https://data.example.org/wrist'"))
    code, _, err = repo.run("add", "wrist", repo.file("b.csv", rows(2)), "--label", "rest")
    assert code == 0
    assert "`tinyops data push wrist` brings them to https://data.example.org/wrist" in err


def test_a_folder_without_recordings_is_said_to_hold_none(repo: Repo) -> None:
    (repo.root.parent / "empty").mkdir()
    code, out, err = repo.run("add", "wrist", repo.root.parent / "empty", "--label", "rest")
    assert code == 0 and out.startswith("0 recordings")
    assert "nothing in a format of datasets" in err


def test_copies_are_refused_with_both_names_or_left_out(repo: Repo) -> None:
    one, two = repo.file("1.csv", rows(1)), repo.file("2.csv", rows(1))
    code, _, err = repo.run("add", "wrist", one, two, "--label", "rest")
    assert code == 65
    assert f"{two}: has the same content as {one}" in err and "--skip-duplicates" in err
    assert not repo.index.exists()
    assert len(repo.json("add", "wrist", one, two, "--label", "rest", "--skip-duplicates")["added"]) == 1
    code, _, err = repo.run("add", "wrist", two, "--label", "shake")
    assert code == 65
    assert re.search(r"2.csv: is in the index as \w{12}, labelled rest there and shake here", err)


def test_a_label_that_is_no_class_is_refused_or_renamed(repo: Repo) -> None:
    path = repo.file("schake-1.csv", rows(1))
    code, _, err = repo.run("add", "wrist", path, "--label-from", "{}-*")
    assert code == 64
    assert "'schake' of 1 recordings is not one of the dataset's classes" in err and "did you mean shake?" in err
    assert not repo.index.exists()
    repo.json("add", "wrist", path, "--label-from", "{}-*", "--rename", "schake=shake")
    assert [e.label for e in repo.entries] == ["shake"]


def test_bad_files_are_all_named_and_nothing_is_added_unless_they_are_left_out(repo: Repo) -> None:
    inbox = repo.file("a.csv", rows(1)).parent
    repo.file("b.csv", "ax,az\n1,2\n")
    repo.file("c.csv", "ax,ay\n1,nan\n2,nan\n")
    repo.file("d.npy", npy(3)[:-5])
    repo.file("e.wav", b"junk")
    code, _, err = repo.run("add", "wrist", inbox, "--label", "rest")
    assert code == 65
    for sentence in (
        "b.csv:1: has the columns ['ax', 'az'], wanted ['ax', 'ay']",
        "c.csv: nan in frame 0, channel ay (2 such values)",
        "d.npy: truncated: 4 of 5 frames are there",
        "e.wav: not a WAV file",
        "4 files cannot be added, so none was",
    ):
        assert sentence in err
    assert not repo.index.exists()
    value = repo.json("add", "wrist", inbox, "--label", "rest", "--skip-bad")
    assert (len(value["added"]), len(value["left_out"])) == (1, 4)


def test_a_truncated_file_is_repaired_when_asked_and_kept_as_a_take(repo: Repo) -> None:
    value = repo.json("add", "wrist", repo.file("d.npy", npy(3)[:-5]), "--label", "rest", "--repair")
    assert "truncated: 4 of 5 frames are there; those are kept" in value["notes"][0]
    (entry,) = repo.entries
    assert (entry.format, entry.frames) == ("take", 4)
    take = read_take((repo.root / "data" / "wrist" / entry.path).read_bytes(), "x")
    assert take.physical().shape == (4, 2)


def test_a_table_with_other_columns_becomes_a_take_with_a_piece_for_each_label(repo: Repo) -> None:
    table = "t,acc x,ay,who,what\n" + "".join(
        f"{n},{n / 10},0.5,{'eve' if n < 7 else 'bob'},{'still' if n < 3 else 'shake'}\n" for n in range(9)
    )
    options = ["--columns", "ax=acc x", "--label-from", "column:what", "--subject-from", "column:who"]
    repo.json("add", "wrist", repo.file("a.csv", table), *options, "--rename", "still=rest", "--rate", "10")
    assert [(e.label, e.subject, e.begin, e.end, e.frames, e.format) for e in repo.entries] == [
        ("rest", "eve", 0, 3, 9, "take"),
        ("shake", "eve", 3, 7, 9, "take"),
        ("shake", "bob", 7, 9, 9, "take"),
    ]
    assert repo.entries[1].low == (0.3, 0.5) and repo.entries[1].high == (0.6, 0.5)
    assert len({e.sha256 for e in repo.entries}) == 1


def test_with_a_mapping_in_the_spec_a_table_stays_as_it_is(repo: Repo) -> None:
    repo.edit("index: ../data/wrist.csv", "index: ../data/wrist.csv, columns: {ax: acc x}")
    table = "t,acc x,ay,what\n0,1,2,rest\n1,1,2,rest\n2,3,2,shake\n"
    repo.json("add", "wrist", repo.file("a.csv", table), "--label-from", "column:what")
    assert [(e.label, e.begin, e.end, e.format) for e in repo.entries] == [
        ("rest", 0, 2, "csv"),
        ("shake", 2, 3, "csv"),
    ]
    assert (repo.root / "data" / "wrist" / repo.entries[0].path).read_text() == table


def test_files_may_stay_where_they_are(repo: Repo) -> None:
    path = repo.root / "data" / "wrist" / "shake" / "1.npy"
    path.parent.mkdir(parents=True)
    path.write_bytes(npy(1))
    repo.json("add", "wrist", path.parents[1], "--label-from", "folder", "--in-place")
    (entry,) = repo.entries
    assert (entry.file, entry.format, entry.path) == ("shake/1.npy", "", "shake/1.npy")
    assert [p.name for p in path.parents[1].rglob("*") if p.is_file()] == ["1.npy"]
    code, _, err = repo.run("add", "wrist", repo.file("o.npy", npy(2)), "--in-place")
    assert code == 65 and "lies outside" in err
    path.with_name("2.npy").write_bytes(npy(2)[:-1])
    code, _, err = repo.run("add", "wrist", path.with_name("2.npy"), "--in-place", "--repair")
    assert code == 65 and "it cannot stay as it is" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wirst", "INBOX"], "there is no dataset 'wirst'\n  did you mean wrist?"),
        (["wrist", "nowhere"], "nowhere: there is no such file or folder"),
        (["wrist", "INBOX/x.flac"], "its ending is of no format\n  formats: bmp, csv"),
        (["wrist", "INBOX", "--rate", "50"], "--rate 50: the dataset's signal has rate_hz: 10"),
        (["wrist", "INBOX", "--columns", "ax"], "--columns 'ax': reads NAME=NAME"),
        (["wrist", "INBOX", "--take-from", "column:x"], "--take-from: a table is one take"),
    ],
)
def test_a_wrong_command_line_is_refused(repo: Repo, arguments: list[str], message: str) -> None:
    inbox = repo.file("a.csv", rows(1)).parent
    repo.file("x.flac", b"")
    code, _, err = repo.run("add", *[a.replace("INBOX", str(inbox)) for a in arguments])
    assert code == 64 and message in err
    assert not repo.index.exists()


def test_a_label_of_300_characters_or_with_a_slash_leaves_the_index_as_it_was(repo: Repo) -> None:
    repo.json("add", "wrist", repo.file("a.csv", rows(1)), "--label", "rest")
    before = repo.index.read_bytes()
    for text in ("x" * 300, "a/b", "größe"):
        code, _, err = repo.run("add", "wrist", repo.file("b.csv", rows(2)), "--label", "rest", "--subject", text)
        assert code == 65 and "is no name" in err
    assert repo.index.read_bytes() == before


def test_whoever_adds_is_told_what_the_checks_make_of_it(repo: Repo) -> None:
    repo.edit("licence:", "checks: {ranges: {ax: [-1, 1]}}\n  licence:")
    code, _, err = repo.run("add", "wrist", repo.file("high.csv", "ax,ay\n3,0\n3.5,0\n"), "--label", "rest")
    assert code == 0 and "warning: ranges: 1 recording with ax outside -1 to 1 g" in err
    assert "data/wrist.csv:2: " in err
    code, _, err = repo.run("add", "wrist", repo.file("low.csv", "ax,ay\n0,0\n0.5,0\n"), "--label", "rest")
    assert (code, "warning" in err) == (0, False), "of what was there already nothing is said again"


def test_every_kind_that_is_added_reads_back_as_it_was_described(repo: Repo) -> None:
    repo.json("add", "wrist", repo.file("a.npy", npy(7)), "--label", "rest")
    (entry,) = repo.entries
    signal = recorded_dataset(repo.root, "wrist").spec.signal
    data = (repo.root / "data" / "wrist" / entry.path).read_bytes()
    (found,) = FORMATS[entry.kind](data, signal, "x")
    assert np.allclose(found.values, 0.07)


def test_the_index_and_its_files_are_committed_and_nothing_else(repo: Repo) -> None:
    repo.commit()
    (repo.root / "specs" / "wrist.yaml").write_text((repo.root / "specs" / "wrist.yaml").read_text() + "# more\n")
    repo.json("add", "wrist", repo.file("a.csv", rows(1)), "--label", "rest", "--commit")
    assert repo.git("log", "-1", "--format=%s") == "wrist: 1 recording of 1 file (1 rest)"
    assert repo.git("show", "--name-only", "--format=").splitlines() == [
        "data/wrist.csv",
        f"data/wrist/{repo.entries[0].path}",
    ]
    assert repo.git("status", "--porcelain", "specs") == "M specs/wrist.yaml"


def test_the_inbox_of_a_receiver_brings_its_labels_with_it(repo: Repo, tmp_path: Path) -> None:
    inbox = tmp_path / "received" / "wrist.csv"
    for number in range(3):
        values = np.full((5, 2), 100 * number, np.int16)
        facts = TakeFacts(
            sensor="imu",
            channels=("ax", "ay"),
            units=("g", "g"),
            full_scale=(4, 4),
            rate_hz=10,
            clock=Clock(source="device"),
            started="2026-11-29T20:15:00Z",
            device="nano-7",
            gaps=((2, 4),),
        )
        label = "" if number == 2 else "rest"
        add_recordings(inbox, [take_addition(Take(facts, values), label=label, subject="eve", name=f"t{number}")])
    assert len(repo.json("add", "wrist", inbox.parent, "--label", "shake", "--subject", "bob")["added"]) == 3
    assert [(e.label, e.subject, e.take, e.device, e.lost, e.frames) for e in repo.entries] == [
        (label, "eve", f"t{n}", "nano-7", 4, 5) for n, label in enumerate(("rest", "rest", "shake"))
    ]
    assert all((repo.root / "data" / "wrist" / e.path).is_file() for e in repo.entries)
    assert len(repo.json("add", "wrist", inbox)["known"]) == 3
    bad = next((tmp_path / "received" / "wrist").rglob("*.take"))
    bad.write_bytes(bad.read_bytes()[:-1] + b"x")
    repo.index.unlink()
    code, _, err = repo.run("add", "wrist", inbox)
    assert code == 65 and "has changed: its index says" in err


def test_stats_say_what_is_there(repo: Repo) -> None:
    for number, who in ((1, "anna"), (2, "ben"), (3, "ben")):
        path = repo.file(f"{number}.csv", rows(number, frames=20))
        label = "rest" if number == 1 else "shake"
        repo.json("add", "wrist", path, "--label", label, "--subject", who, "--rate", "10")
    value = repo.json("stats", "wrist")
    assert [(g["name"], g["recordings"], g["seconds"]) for g in value["label"]] == [("rest", 1, 2), ("shake", 2, 4)]
    assert [g["name"] for g in value["subject"]] == ["anna", "ben"]
    assert value["all"]["channels"]["ax"] == {"low": 0.1, "high": 0.3, "mean": 0.2, "spread": 0.08165}
    code, out, _ = repo.run("stats", "wrist")
    assert code == 0 and "wrist: 3 recordings of 3 files" in out and "shake" in out


def test_a_folder_of_sound_has_a_label_a_folder(repo: Repo) -> None:
    repo.edit("sensor: imu, channels: [ax, ay], units: [g, g], full_scale: [4, 4], rate_hz: 10", SOUND)
    for number, label in enumerate(("rest", "shake", "shake")):
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(np.full(40, 1000 * number, "<i2").tobytes())
        repo.file(f"{label}/{number}.wav", out.getvalue())
    repo.json("add", "wrist", repo.root.parent / "inbox", "--label-from", "folder")
    assert sorted((e.label, e.kind, e.frames, e.rate_hz) for e in repo.entries) == [
        ("rest", "wav", 40, 8000),
        ("shake", "wav", 40, 8000),
        ("shake", "wav", 40, 8000),
    ]


def test_a_folder_of_images_has_a_label_a_folder(repo: Repo) -> None:
    pytest.importorskip("PIL", reason="needs the extra data: Pillow")
    from PIL import Image

    repo.edit("sensor: imu, channels: [ax, ay], units: [g, g], full_scale: [4, 4], rate_hz: 10", PICTURE)
    for number, label in enumerate(("rest", "shake")):
        out = io.BytesIO()
        Image.new("L", (4, 3), 100 * number).save(out, "png")
        repo.file(f"{label}/{number}.png", out.getvalue())
    repo.json("add", "wrist", repo.root.parent / "inbox", "--label-from", "folder")
    assert sorted((e.label, e.kind, e.frames) for e in repo.entries) == [("rest", "png", 1), ("shake", "png", 1)]
