"""What is judged of a dataset by its index: one file a check, all of them pure. `contents` judges single values.

`plan` runs them over the index alone, the collect step over what the files hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from tinyops.datasets.checks.added import check_added
from tinyops.datasets.checks.amounts import check_amounts
from tinyops.datasets.checks.balance import check_balance
from tinyops.datasets.checks.clipping import check_clipping
from tinyops.datasets.checks.drift import check_drift
from tinyops.datasets.checks.duplicates import check_duplicates
from tinyops.datasets.checks.gaps import check_gaps
from tinyops.datasets.checks.kind import Check, Evidence, Found
from tinyops.datasets.checks.labels import check_labels
from tinyops.datasets.checks.leakage import check_leakage
from tinyops.datasets.checks.ranges import check_ranges
from tinyops.datasets.checks.rate import check_rate
from tinyops.datasets.checks.short import check_short
from tinyops.datasets.checks.sides import check_split
from tinyops.datasets.checks.units import check_units
from tinyops.datasets.checks.unlabelled import check_unlabelled
from tinyops.datasets.findings import PLACES_SHOWN, Finding, Severity
from tinyops.specs.checks import Checks, Level

__all__ = ["CHECKS", "Evidence", "judge", "judge_new"]

FINDINGS_MAX = 1_000  # of one check

# In the order in which they are shown: what is wrong with the labels first, for all else follows from them.
CHECKS: Mapping[str, Check] = {
    "labels": check_labels,
    "unlabelled": check_unlabelled,
    "amounts": check_amounts,
    "split": check_split,
    "duplicates": check_duplicates,
    "leakage": check_leakage,
    "balance": check_balance,
    "ranges": check_ranges,
    "units": check_units,
    "rate": check_rate,
    "gaps": check_gaps,
    "clipping": check_clipping,
    "short": check_short,
    "drift": check_drift,
}


def judge(data: Evidence) -> tuple[Finding, ...]:
    """Everything that the checks say, errors first."""
    said = ((name, found) for name, check in CHECKS.items() for found in islice(check(data), FINDINGS_MAX))
    return _levelled(data.spec.checks, said)


def judge_new(data: Evidence, ids: Collection[str]) -> tuple[Finding, ...]:
    """What they say of the rows with these ids alone, which were added just now."""
    return _levelled(data.spec.checks, check_added(data, ids))


def _levelled(checks: Checks, said: Iterable[tuple[str, Found]]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    for name, what in said:
        level: Level = getattr(getattr(checks, name, None), "level", "error")
        if what.always or level == "error":
            found.append(_finding(name, "error", what))
        elif level == "warning":
            found.append(_finding(name, "warning", what))
    return tuple(sorted(found, key=lambda finding: finding.level))


def _finding(name: str, level: Severity, said: Found) -> Finding:
    return Finding(name, level, said.message, tuple(said.places[:PLACES_SHOWN]), len(said.places), said.hint)
