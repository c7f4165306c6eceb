"""Runs the demo on a copy of the example and draws what it printed: docs/images/demo.svg.

.venv/bin/python .ci/record_demo.py            draws again, from a run that takes about half a minute

Every line is the programs' own; quick steps are left out, and counted.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tinyops.process import run

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
SHOWN_STEP_S = 1.0
AGENT = (
    "agent --once --store .tinyops/releases --trust .tinyops/trusted.pem --fleet wrist --board linux"
    " --device wrist-7 --state .tinyops/device --replay specs/data/walk.csv --reports .tinyops/reports"
)
TITLE = "make demo, shortened: quick steps are left out"
COLOURS = [
    (16, 20, 28),
    (224, 108, 117),
    (126, 200, 120),
    (229, 192, 123),
    (97, 175, 239),
    (198, 120, 221),
    (86, 182, 194),
]
THEME = TerminalTheme((16, 20, 28), (205, 211, 222), [*COLOURS, (205, 211, 222)])
# As rich's own, without a font from somewhere else: a picture must not call out.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="make demo, shortened">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px }}
.{unique_id}-title {{ font-size: 17px; font-weight: bold; font-family: "DejaVu Sans", Helvetica, Arial, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = list(_demo(Path(folder)))
    width = max(len(line) for line in lines) + 1
    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    for line in lines:
        console.print(_coloured(line), no_wrap=True, crop=True)
    svg = console.export_svg(title=TITLE, theme=THEME, code_format=SVG, unique_id="demo")
    PICTURE.write_text(re.sub(r"[ \t]+\n", "\n", svg))
    print(f"{PICTURE}: {len(lines)} lines. Look at it before you commit it.")


def _demo(root: Path) -> Iterator[str]:
    for name in ("specs", "generated"):
        shutil.copytree(ROOT / name, root / name)
    _tinyops(root, "lock")
    _tinyops(root, "keys new TINYOPS_IMAGE_KEY")
    yield "$ tinyops plan"
    yield from _shortened_plan(_tinyops(root, "plan"))
    yield from ("", "$ tinyops apply")
    yield from _shortened_apply(_tinyops(root, "apply"))
    yield from ("", f"$ tinyops {AGENT[: AGENT.index(' --trust')]} …")
    yield from _tinyops(root, AGENT)
    yield from ("", "$ tinyops plan")
    yield from _tinyops(root, "plan")


def _tinyops(root: Path, arguments: str) -> list[str]:
    """What a command said, standard error (progress) before standard output (the result)."""
    done = run([Path(sys.executable).parent / "tinyops", *arguments.split()], timeout_s=600, cwd=root)
    return (done.stderr + done.stdout).splitlines()


def _shortened_plan(lines: Sequence[str]) -> Iterator[str]:
    changes = [line for line in lines if line.startswith("  + ")]
    yield lines[0]
    yield from changes[:3]
    yield f"  … {len(changes) - 4} more"
    yield changes[-1]
    yield lines[-1]


def _shortened_apply(lines: Sequence[str]) -> Iterator[str]:
    done = [line for line in lines if re.search(r" done in [0-9.]+ s$", line)]
    slow = [line for line in done if float(line.split()[-2]) >= SHOWN_STEP_S]
    yield from slow
    yield f"  … {len(done) - len(slow)} quick steps more"
    published = next(number for number, line in enumerate(lines) if line.startswith("Published"))
    yield from lines[published:]


def _coloured(line: str) -> Text:
    text = Text(line)
    if line.startswith("$ "):
        text.stylize("bold")
        text.stylize("cyan", 0, 1)
    text.highlight_regex(r"^  \+ \w+", "green")
    text.highlight_regex(r"done in [0-9.]+ s$", "green")
    text.highlight_regex(r"same-bytes|bit-exact|slot confirmed|^No changes\.|^Published v\d+", "green")
    text.highlight_regex(r"same-source|replay\b|stream\b", "yellow")
    text.highlight_regex(r"^  … .*$|^[─ ]+$", "dim")
    return text


if __name__ == "__main__":
    main()
