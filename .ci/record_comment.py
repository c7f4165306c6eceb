"""Plans a change of a copy of the example, builds it, and draws its pull request comment.

.venv/bin/python .ci/record_comment.py         takes about a minute; needs Chromium and Playwright

Writes docs/images/comment.md, as `tinyops plan --build --markdown` prints it, and docs/images/comment.png, as a browser
shows it. GitHub's own style is not at hand: the picture's is close to it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

from tinyops.process import find_tool, run

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
MICROBIT = "microbit: {sensor: {kind: stream, port: serial}, transport: usb"
EDITS = (
    ("specs/activity.yaml", "filters: 12", "filters: 16"),
    ("specs/activity.yaml", "epochs: 40", "epochs: 60"),
    ("specs/fleets.yaml", f"{MICROBIT}}}\n    linux: {{sensor: {{kind: replay",
     f"{MICROBIT}, gates: {{growth_max: 0.15}}}}\n    linux: {{sensor: {{kind: replay"),
    ("specs/fleets.yaml", "devices: {enrol: open, max: 20}", "devices: {enrol: open, max: 60, file: wrist.csv}"),
)  # fmt: skip
PAGE = """\
<!doctype html><meta charset="utf-8"><style>
body {{ font: 14px/1.5 "DejaVu Sans", Helvetica, Arial, sans-serif; color: #1f2328; margin: 24px; width: 1590px }}
h3 {{ font-size: 18px; margin: 0 0 12px }} h4 {{ font-size: 15px; margin: 18px 0 8px }}
code {{ font: 12px "DejaVu Sans Mono", Menlo, monospace; background: #eff1f3; padding: 1px 4px; border-radius: 5px }}
table {{ border-collapse: collapse }} th, td {{ border: 1px solid #d1d9e0; padding: 5px 9px; white-space: nowrap }}
tr:nth-child(2n) td {{ background: #f6f8fa }} summary {{ cursor: pointer }} li {{ margin: 2px 0 }}
</style>{body}"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = _comment(Path(folder))
        (IMAGES / "comment.md").write_text(text)
        html = MarkdownIt("commonmark").enable("table").render(text)
        page = Path(folder) / "comment.html"
        page.write_text(PAGE.format(body=html))
        _draw(page, IMAGES / "comment.png")
    print(f"{IMAGES}/comment.md, comment.png: look at them before you commit them.")


def _comment(root: Path) -> str:
    """What a reviewer would read, after one release."""
    for name in ("specs", "generated"):
        shutil.copytree(ROOT / name, root / name)
    _tinyops(root, "keys", "new", "TINYOPS_IMAGE_KEY")
    _tinyops(root, "apply")
    devices = [f"w-{n:02},{'microbit' if n % 3 else 'nano33ble'},,,," for n in range(1, 43)]
    header = "id,board,labels,public_key,enrolled,revoked"
    (root / "specs" / "wrist.csv").write_text("\n".join([header, *devices, ""]))
    for name, old, new in EDITS:
        before = (root / name).read_text()
        assert old in before, f"{name} has no {old!r}"
        (root / name).write_text(before.replace(old, new, 1))
    return _tinyops(root, "plan", "--build", "--markdown", check=False)


def _tinyops(root: Path, *arguments: str, check: bool = True) -> str:
    program = Path(sys.executable).parent / "tinyops"
    return run([program, *arguments], timeout_s=600, cwd=root, check=check).stdout


def _draw(page: Path, picture: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(find_tool("chromium")), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1640, "height": 400}, device_scale_factor=1)
        view.goto(page.as_uri())
        view.screenshot(path=str(picture), full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
