"""What checks say of data, in a plan's text, its comment and its file."""

from typing import Any

import pytest

from tinyops.datasets.findings import Finding
from tinyops.files import canonical_json
from tinyops.plan import Action, Bound, Change, Plan
from tinyops.plan.changes import REASON_LIMIT
from tinyops.plan.document import plan_schema, read_plan
from tinyops.plan.findings import DataFinding, merged
from tinyops.plan.markdown import LIMIT, plan_comment
from tinyops.plan.prices import PlanFile
from tinyops.plan.render import plan_text

BOUND = Bound(*(f"sha256:{digit * 64}" for digit in "1234"))
PLACES = tuple(f"data/wrist.csv:{line}: t{line}: 12.0%" for line in range(2, 12))
GAPS = Finding("gaps", "error", "12 recordings with more than 5.0% of the frames lost", PLACES, 12, "record them again")
WAITING = Finding("unlabelled", "warning", "1 recording without a label is left out", ("data/wrist.csv:9: t9",), 1)


def file(*findings: Finding) -> PlanFile:
    changes = (Change("collect", "wrist", Action.UPDATE), Change("fleet", "desk", Action.UPDATE))
    return PlanFile(
        Plan("bench", 3, BOUND, changes), (), None, tuple(DataFinding("wrist", finding) for finding in findings)
    )


def test_the_text_shows_each_with_its_recordings_and_what_to_do() -> None:
    text = plan_text(file().plan, findings=file(GAPS, WAITING).findings)
    lines = text.splitlines()
    first = lines.index("  ✗ error   data      wrist: gaps: 12 recordings with more than 5.0% of the frames lost")
    assert lines[first + 1] == "        data/wrist.csv:2: t2: 12.0%"
    assert lines[first + 4 : first + 6] == ["        … and 9 more", "        record them again"]
    assert lines[first + 6] == "  ! warning data      wrist: unlabelled: 1 recording without a label is left out"
    assert "data" not in plan_text(file().plan)


def test_the_comment_shows_them_shorter() -> None:
    lines = plan_comment(file(GAPS, WAITING)).splitlines()
    first = lines.index("#### Data") + 2
    assert lines[first] == "- ✗ `wrist: gaps: 12 recordings with more than 5.0% of the frames lost`"
    assert lines[first + 1 : first + 6] == [
        "  - `data/wrist.csv:2: t2: 12.0%`",
        "  - `data/wrist.csv:3: t3: 12.0%`",
        "  - `data/wrist.csv:4: t4: 12.0%`",
        "  - … and 9 more",
        "  - `record them again`",
    ]
    assert lines[first + 6].startswith("- ! `wrist: unlabelled")
    assert "#### Data" not in plan_comment(file())


def test_very_many_stay_within_what_github_takes() -> None:
    many = [Finding("labels", "error", f"1 recording labelled 'l{n}'" + "x" * 500) for n in range(400)]
    text = plan_comment(file(*many))
    assert len(text) < LIMIT and "more findings: `tinyops plan` lists them." in text


def test_no_finding_becomes_markup_or_a_second_line() -> None:
    bad = Finding("gaps", "warning", "`@all`\n<b>\x1b[31m", ("a\nb",), 1, "x" * 9999)
    found = file(bad).findings[0].finding
    assert found.message == "`@all` <b> [31m" and found.places == ("a b",) and len(found.hint) == REASON_LIMIT
    assert "- ! ``wrist: gaps: `@all` <b> [31m``" in plan_comment(file(bad))


def test_findings_survive_their_file_and_are_no_part_of_what_apply_is_bound_to() -> None:
    made = file(GAPS, WAITING)
    assert read_plan(canonical_json(made.to_json())) == made
    assert made.plan.digest == file().plan.digest
    assert "findings" not in file().to_json()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("level", "fatal", "findings.0.level"),
        ("message", "two\nlines", "findings.0.message"),
        ("dataset", "../x", "findings.0.dataset"),
        ("places", ["x"] * 11, "findings.0.places"),
        ("total", -1, "findings.0.total"),
        ("check", "Gaps!", "findings.0.check"),
    ],
)
def test_a_hostile_finding_is_refused(field: str, value: Any, said: str) -> None:
    document = file(GAPS).to_json()
    document["findings"][0][field] = value
    with pytest.raises(ValueError, match=said):
        read_plan(canonical_json(document))


def test_the_schema_names_findings() -> None:
    assert "findings" in plan_schema()["properties"]


def test_what_index_and_files_both_say_is_said_once_errors_first() -> None:
    twice = [DataFinding("wrist", WAITING), DataFinding("arm", WAITING), DataFinding("wrist", WAITING)]
    found = merged([*twice, DataFinding("wrist", GAPS)])
    assert [(f.dataset, f.finding.level) for f in found] == [
        ("wrist", "error"),
        ("arm", "warning"),
        ("wrist", "warning"),
    ]
