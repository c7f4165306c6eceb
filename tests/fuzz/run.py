"""Fuzzes what a device reads, in C under ASan and UBSan: each target of fuzz_*.c with libFuzzer.

    python tests/fuzz/run.py --seconds 30            (all targets, 30 s together)
    python tests/fuzz/run.py smp --seconds 600
    python tests/fuzz/run.py smp crash-1234          (one input again)
    python tests/fuzz/run.py smp --gather FOLDER     (new inputs go there; then --minimise FOLDER makes the corpus)
    python tests/fuzz/run.py smp --coverage          (lines of the runtime that the corpus reaches)

Inputs start from tests/fuzz/device/TARGET. Exit status 0; 77 for a find, which is written to the current folder;
70 without clang's libFuzzer. `faults: fuzz TARGET: EXECUTIONS` is printed, and appended to the file that
TINYOPS_FAULT_COUNTS names.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]

from seeds import seeds  # noqa: E402

RUNTIME = ROOT / "tinyops/runtime"
CORPUS = HERE / "device"
FOUND, NO_TOOL = 77, 70
SPARE_S = 90
ONE_INPUT_S = 30  # far above what any takes on a busy machine
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZE = ("-g", "-O2", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
COVER = ("-g", "-O1", "-fsanitize=fuzzer", "-fprofile-instr-generate", "-fcoverage-mapping")
MCUMGR_WORDS = ("d", "rc", "off", "len", "data", "sha", "image", "upgrade", "hash", "confirm", "slot", "format", "keep")


@dataclass(frozen=True)
class Target:
    """`sources` are patterns below tinyops/runtime; `largest` bounds an input, in bytes."""

    sources: tuple[str, ...]
    largest: int
    helpers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


_APPLICATION = tuple(
    f"app/{name}.c" for name in ("app", "frame", "health", "image", "kept", "line", "loop", "sensing", "try")
)
TARGETS = {
    "smp": Target(
        ("smp/*.c", "app/*.c", "digest/*.c", "settings/*.c", "update/*.c", "delta/*.c", "port/sim/flash_model.c"),
        2048,
        helpers=("smp_client.c", "forge.c"),
        words=MCUMGR_WORDS,
    ),
    "slots": Target(("update/*.c", "port/sim/flash_model.c"), 1024, helpers=("forge.c",)),
    "delta": Target(("delta/delta.c", "update/*.c", "port/sim/flash_model.c"), 2048, helpers=("forge.c",)),
    "http": Target(("fetch/http.c", "fetch/http_text.c", "fetch/url.c", "fetch/clock.c"), 8192),
    "entry": Target(("fetch/entry.c", "fetch/reading.c", "fetch/rollout.c", "fetch/json.c", "fetch/clock.c"), 4096),
    "chain": Target(
        (
            *(f"chain/{name}.c" for name in ("changing", "part", "pieces", "set", "standing", "telling")),
            "smp/*.c",
            *_APPLICATION,
        ),
        2048,
        flags=("-DTINYOPS_PART",),
    ),
    "settings": Target(("settings/settings.c", "port/sim/flash_model.c"), 4096),
}


class Unusable(Exception):
    """What is missing, and what to type."""


def sources_of(name: str, runtime: Path = RUNTIME) -> list[Path]:
    target = TARGETS[name]
    found = [path for pattern in target.sources for path in sorted(runtime.glob(pattern))]
    return [HERE / f"fuzz_{name}.c", *(HERE / helper for helper in target.helpers), *found]


def build(name: str, folder: Path, flags: tuple[str, ...] = SANITIZE, runtime: Path = RUNTIME) -> Path:
    program = folder / f"fuzz_{name}"
    includes = ("-I", str(runtime / "include"), "-I", str(runtime))
    command = [
        "clang",
        *WARNINGS,
        *flags,
        *TARGETS[name].flags,
        *includes,
        *map(str, sources_of(name, runtime)),
        "-o",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "libclang_rt.fuzzer" in done.stderr:
        raise Unusable("clang has no libFuzzer. Type: sudo apt-get install libclang-rt-dev")
    if done.returncode != 0:
        raise SystemExit(f"{name}: clang ends with {done.returncode}\n{done.stderr[-4000:]}")
    return program


def write_words(name: str, folder: Path) -> list[str]:
    """The dictionary: keys as CBOR has them."""
    words = TARGETS[name].words
    if not words:
        return []
    encoded = [bytes((0x60 + len(word), *word.encode())) for word in words]
    path = folder / f"{name}.dict"
    path.write_text("".join('"' + "".join(f"\\x{b:02x}" for b in word) + '"\n' for word in encoded))
    return [f"-dict={path}"]


def write_seeds(name: str, folder: Path) -> str:
    path = folder / "seeds"
    path.mkdir()
    for number, seed in enumerate(seeds(name)):
        (path / str(number)).write_bytes(seed)
    return str(path)


def run(command: list[str], limit_s: float, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and what a fuzzer says; a run without an end is a find."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit_s, check=False, env=env)
    except subprocess.TimeoutExpired:
        return FOUND, f"no end after {limit_s:.0f} s: it hangs"
    return done.returncode, done.stderr.decode(errors="replace")


def number_in(said: str, pattern: str) -> int:
    found = re.findall(pattern, said)
    return int(found[-1]) if found else 0


def tell(name: str, executions: int) -> None:
    line = f"faults: fuzz {name}: {executions}"
    print(line, flush=True)
    kept = os.environ.get("TINYOPS_FAULT_COUNTS")
    if kept:
        with Path(kept).open("a") as stream:
            stream.write(line + "\n")


def fuzz(name: str, seconds: int, gathered: Path | None, runtime: Path = RUNTIME) -> int:
    """Returns an exit status."""
    with tempfile.TemporaryDirectory(prefix="tinyops-fuzz-") as scratch:
        program = build(name, Path(scratch), runtime=runtime)
        new = gathered or Path(scratch) / "new"
        new.mkdir(parents=True, exist_ok=True)
        limits = [f"-max_total_time={seconds}", f"-timeout={ONE_INPUT_S}", f"-max_len={TARGETS[name].largest}"]
        folders = [str(new), write_seeds(name, Path(scratch))]
        folders += [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
        prefix = f"-artifact_prefix={Path.cwd()}/fuzz-{name}-"
        words = write_words(name, Path(scratch))
        command = [str(program), *limits, *words, prefix, "-print_final_stats=1", *folders]
        status, said = run(command, seconds + SPARE_S)
    executions, edges = number_in(said, r"stat::number_of_executed_units: +(\d+)"), number_in(said, r"cov: (\d+)")
    print(f"{name}: {executions:,} inputs in {seconds} s, {edges:,} edges reached", flush=True)
    tell(name, executions)
    if status != 0:
        print(f"{said[-6000:]}\n{name}: a find; see {Path.cwd()}/fuzz-{name}-*", file=sys.stderr)
        return FOUND
    return 0


def minimise(name: str, gathered: Path) -> int:
    """Replaces the target's corpus by the least that reaches what it and `gathered` reach."""
    kept = CORPUS / name
    with tempfile.TemporaryDirectory(prefix="tinyops-fuzz-") as scratch:
        program, least = build(name, Path(scratch)), Path(scratch) / "least"
        least.mkdir()
        kept.mkdir(parents=True, exist_ok=True)
        status, said = run(
            [
                str(program),
                "-set_cover_merge=1",
                str(least),
                str(kept),
                write_seeds(name, Path(scratch)),
                str(gathered),
            ],
            1800,
        )
        if status != 0:
            print(said[-4000:], file=sys.stderr)
            return FOUND
        shutil.rmtree(kept)
        shutil.copytree(least, kept)
    files = list(kept.iterdir())
    print(f"{name}: {len(files)} inputs, {sum(path.stat().st_size for path in files):,} bytes")
    return 0


def cover(name: str) -> int:
    """Prints which share of each source's lines the corpus reaches."""
    with tempfile.TemporaryDirectory(prefix="tinyops-fuzz-") as scratch:
        program = build(name, Path(scratch), COVER)
        raw, merged = Path(scratch) / "raw", Path(scratch) / "merged"
        env = {**os.environ, "LLVM_PROFILE_FILE": str(raw)}
        status, said = run([str(program), "-runs=0", str(CORPUS / name), write_seeds(name, Path(scratch))], 600, env)
        if status != 0:
            print(said[-4000:], file=sys.stderr)
            return FOUND
        subprocess.run(["llvm-profdata", "merge", raw, "-o", merged], check=True, timeout=60)
        report = ["llvm-cov", "report", program, f"-instr-profile={merged}", *map(str, sources_of(name)[1:])]
        print(subprocess.run(report, check=True, timeout=60, capture_output=True, text=True).stdout)
    return 0


def again(name: str, inputs: list[Path]) -> int:
    with tempfile.TemporaryDirectory(prefix="tinyops-fuzz-") as scratch:
        program = build(name, Path(scratch))
        return FOUND if subprocess.run([program, *inputs], timeout=600, check=False).returncode else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS), help="one of them (default: all)")
    parser.add_argument("input", nargs="*", type=Path, help="files to run once, instead of fuzzing")
    parser.add_argument("--seconds", type=int, default=30, help="how long in all (default 30)")
    parser.add_argument("--gather", type=Path, help="folder that gathers inputs which reach something new")
    parser.add_argument("--minimise", type=Path, metavar="FOLDER", help="makes the corpus of what was gathered there")
    parser.add_argument("--coverage", action="store_true", help="what the corpus reaches, by file; needs llvm")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    names = [arguments.target] if arguments.target else sorted(TARGETS)
    try:
        if arguments.input:
            return again(arguments.target, arguments.input)
        if arguments.minimise:
            return max(minimise(name, arguments.minimise) for name in names)
        if arguments.coverage:
            return max(cover(name) for name in names)
        return max(fuzz(name, max(1, arguments.seconds // len(names)), arguments.gather) for name in names)
    except Unusable as problem:
        print(problem, file=sys.stderr)
        return NO_TOOL


if __name__ == "__main__":
    sys.exit(main())
