"""The fuzzing of what devices read finds what is wrong, and says how much it tried."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fuzz import run

pytestmark = pytest.mark.build

# A check that a reader needs, for each target: without it, something lies outside of its buffer or answers for another.
PLANTED = {
    "chain": (
        "chain/standing.c",
        "!lies(one->arena_offset, one->bytes, arena_bytes)",
        "!lies(one->arena_offset, 0, arena_bytes)",
    ),
    "delta": ("delta/delta.c", "status < 0 && slots->writing != TINYOPS_SLOTS_NONE", "0"),
    "entry": ("fetch/json.c", "return json->at < json->count ?", "return json->at <= json->count ?"),
    "http": ("fetch/http.c", "count < http->left ? count : http->left", "count"),
    "slots": ("update/image.c", "(image->found >> i & 1u) != 0u ||", ""),
    "smp": ("smp/console.c", "if (smp->length == smp->buffer_bytes)", "if (smp->length > smp->buffer_bytes)"),
    "settings": ("settings/settings.c", "head->bytes > length - head->at", "head->bytes > length"),
}


@pytest.mark.parametrize("target", sorted(PLANTED))
def test_a_check_that_is_missing_is_found(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name, check, none = PLANTED[target]
    runtime = tmp_path / "runtime"
    shutil.copytree(run.RUNTIME, runtime)
    source = runtime / name
    assert source.read_text().count(check) == 1
    source.write_text(source.read_text().replace(check, none))
    monkeypatch.chdir(tmp_path)
    counts = tmp_path / "counts"
    monkeypatch.setenv("TINYOPS_FAULT_COUNTS", str(counts))
    assert run.fuzz(target, 30, None, runtime=runtime) == run.FOUND
    assert "does not hold" in (said := capfd.readouterr()).err or "AddressSanitizer" in said.err
    assert list(tmp_path.glob(f"fuzz-{target}-crash-*"))
    line, executions = counts.read_text().rsplit(maxsplit=1)
    assert line == f"faults: fuzz {target}:" and int(executions) >= 0 and f"{line} {executions}" in said.out


def test_every_target_has_inputs_to_start_from() -> None:
    for name in run.TARGETS:
        assert run.sources_of(name)[0].is_file() and list((run.CORPUS / name).iterdir()) and run.seeds(name)
    sizes = [path.stat().st_size for path in run.CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < 200_000
