"""What the pages say is so: links lead somewhere, commands parse, exit statuses are those of the code."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyops.build.runners import STEP_FUNCTIONS
from tinyops.cli.reference import parsers
from tinyops.compiler.header import HEADER_BYTES
from tinyops.errors import ExitCode
from tinyops.manifest.document import ASSETS_PER_RELEASE_MAX, MANIFEST_LIMIT_BYTES, MANIFEST_SCHEMA
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, ENTRY_SCHEMA
from tinyops.manifest.report import REPORT_LIMIT_BYTES, REPORT_SCHEMA
from tinyops.reconcile.world import observe
from tinyops.store.records import RECORD_LIMIT_BYTES, RECORD_SCHEMA

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACES = re.compile(r"(?<![\w.])/(?:work|root|tmp|home)/")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for link in LINK.findall(text):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=name)
def test_every_page_is_on_the_map(page: Path) -> None:
    assert page.name == "index.md" or f"({page.name}" in (DOCS / "index.md").read_text()


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of each `tinyops …` in fenced blocks and in text."""
    text = page.read_text()
    blocks = "\n".join(body for _, body in FENCE.findall(text))
    lines = re.findall(r"^(?:\$ +)?(?:ExecStart=\S*/)?tinyops (.+)$", blocks, re.MULTILINE)
    lines += re.findall(r"`tinyops ([^`]+)`", FENCE.sub("", text))
    for line in lines:
        words = shlex.split(line, comments=True)
        stops = [number for number, word in enumerate(words) if word in ("|", "&&", ">", "2>", ";")]
        yield words[: stops[0]] if stops else words


def parse(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """What argparse has against these arguments, empty for nothing."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        parser.parse_args(words)
    return said.getvalue().partition("error: ")[2].strip()


@pytest.mark.parametrize("page", [page for page in PAGES if "decisions" not in page.parts], ids=name)
def test_commands_on_pages_parse(page: Path) -> None:
    for words in command_lines(page):
        if words in (["--help"], ["--version"]) or words[0] in ("COMMAND", "…"):
            continue
        known = parsers()
        assert words[0] in known, f"tinyops {shlex.join(words)}: no such command"
        command = importlib.import_module(f"tinyops.cli.commands.{words[0]}")
        complete = getattr(command, "complete", lambda argv: argv)
        given = [word for word in complete(words)[1:] if word != "…"]
        named_only = "…" in words or not any(word.startswith("--") for word in given)
        fault = parse(known[words[0]], given)
        assert not fault or (named_only and "are required" in fault), f"tinyops {shlex.join(words)}: {fault}"


def test_there_are_commands_to_check() -> None:
    assert sum(1 for page in PAGES for _ in command_lines(page)) > 40


def test_exit_statuses_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert [(int(status), code) for status, code in rows] == [(int(code), code.name) for code in ExitCode]


def test_formats_and_their_bounds_are_those_of_the_code() -> None:
    text = (DOCS / "formats.md").read_text()
    for schema, limit in (
        (MANIFEST_SCHEMA, MANIFEST_LIMIT_BYTES),
        (ENTRY_SCHEMA, ENTRY_LIMIT_BYTES),
        (REPORT_SCHEMA, REPORT_LIMIT_BYTES),
        (RECORD_SCHEMA, RECORD_LIMIT_BYTES),
    ):
        row = next(line for line in text.splitlines() if f"`{schema}`" in line)
        size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
        assert row.endswith(f"| {size} |")
    assert f"At most {ASSETS_PER_RELEASE_MAX} files a release" in text
    assert f"a header of {HEADER_BYTES} bytes" in text


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_name_no_place_of_a_machine(page: Path) -> None:
    found = PLACES.search(page.read_text())
    assert found is None, found


@pytest.mark.parametrize("picture", sorted((DOCS / "images").glob("*.svg")), ids=name)
def test_pictures_call_nobody(picture: Path) -> None:
    text = picture.read_text().replace("http://www.w3.org/2000/svg", "")
    assert "://" not in text
    assert "<script" not in text


def test_the_architecture_lists_every_step_with_what_it_reads() -> None:
    world = observe(ROOT)
    rows = dict(re.findall(r"^\| (\w+) \| \w[\w/]* \| (.*)$", (DOCS / "architecture.md").read_text(), re.MULTILINE))
    rows.pop("kind")
    assert list(rows) == list(STEP_FUNCTIONS)
    for step in world.steps:
        inputs = rows[step.kind].split(" | ")[0]
        for ref in step.inputs.values():
            kind = ref.step.partition(":")[0]
            assert f"{kind}:" in inputs, f"{step.id} reads {ref.step}"
            listed = inputs.partition(f"{kind}:")[2].partition(";")[0]
            assert f"`{ref.output}`" in listed or "all" in listed or "both" in listed, f"{step.id} reads {ref.output}"
