"""A dataset's card: what it says follows from spec and index alone, and names what is missing."""

from fakes.recorded import PROJECT, Repo, repo, rows
from tinyops.cli import main
from tinyops.datasets.card import Described, data_card
from tinyops.datasets.index import IndexEntry
from tinyops.specs.recorded import recorded_dataset

__all__ = ["repo"]


def described(repo: Repo, *entries: IndexEntry) -> str:
    return data_card(Described("wrist", "Of a wrist.", recorded_dataset(repo.root, "wrist").spec, entries))


def entry(number: int, label: str, **fields: object) -> IndexEntry:
    return IndexEntry(f"sha256:{number:064x}", label, frames=50, format="take", **fields)  # type: ignore[arg-type]


def test_a_card_says_what_is_there_and_what_is_not(repo: Repo) -> None:
    repo.edit("licence: CC-BY-4.0", "licence: ''")
    repo.edit("rate_hz: 10}", "rate_hz: 10}\n  checks: {range: [-4, 4]}\n  split: {by: subject, test: [eve]}")
    lines = [
        entry(1, "rest", subject="eve", rate_hz=10, bytes=1_000_000),
        entry(2, "rest", subject="bob", rate_hz=9.5, lost=3),
        entry(3, "", clipped=7),
        entry(4, "typo"),
    ]
    card = described(repo, *lines)
    for sentence in (
        "| Licence | not said |",
        "| Origin | made up |",
        "imu: 10 frames a second.",
        "4 recordings in 4 files, 20.3 s, 1.0 MB.",
        "| rest | 2 | 10.3 s | 9.5–10 | 2 | 1 | 1 |",
        "By subject; for the test: eve; seed 0.",
        "- `range`: -4 to 4",
        "- The licence is not said.",
        "- 1 of 4 recordings have no label yet.",
        "- 1 of 4 recordings have a label that is no class.",
        "- 2 of 4 recordings do not say whose they are.",
        "- 1 of 4 recordings have lost frames, 3 in all.",
        "- 1 of 4 recordings have values at full scale, 7 in all.",
        "- No recording of shake.",
    ):
        assert sentence in card, card


def test_text_of_people_breaks_no_table(repo: Repo) -> None:
    repo.edit('origin: "made up"', 'origin: "a | b <script> \\n c"')
    assert "| Origin | a \\| b &lt;script> c |" in described(repo)


def test_the_command_and_render_write_the_same(repo: Repo) -> None:
    (repo.root / "specs" / "project.yaml").write_text(PROJECT)
    repo.json("add", "wrist", repo.file("a.csv", rows(1)), "--label", "rest")
    card = repo.json("card", "wrist")["markdown"]
    assert "| rest | 1 |" in card
    assert main(["render", "-C", str(repo.root)]) == 0
    assert (repo.root / "generated" / "data" / "wrist.md").read_text() == card
    code, _, err = repo.run("card", "wirst")
    assert code == 64 and "did you mean wrist?" in err
