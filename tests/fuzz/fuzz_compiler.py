"""Fuzzes the .tflite reader and all that follows it: graph, lowering, memory plan, C text.

    python tests/fuzz/fuzz_compiler.py --seconds 30
    python tests/fuzz/fuzz_compiler.py crash-1234        (one input again, with its traceback)

Anything but an error of ours (a model that is refused or does not fit) is a find; so are a hang and more memory than
the limit. Inputs start from tests/fuzz/corpus (finds of earlier runs) and from models of every operator that the
tests can draw. Exit status 0; 77 for a find, which is written to the current folder; 70 without atheris.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
SEEDS_A_STRATEGY = 3
LARGEST_INPUT = 16 << 10
SMALLEST_MODEL = 16
BYTES_SHARE = 0.4  # of the mutations, those of bytes
SPARE_S, FOUND = 90, 77
ONE_INPUT_S = 20  # far above what the slowest seed takes on a busy machine
CPUS = ("x86-64", "cortex-m4f", "cortex-m0plus")
ARENA_BYTES = 1 << 20

sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]


def compile_anything(data: bytes) -> bool:
    """Whether a model is compiled; False where it is refused. Anything that it raises is a find."""
    from tinyops.compiler import CompileOptions, compile_model
    from tinyops.errors import DoesNotFit, SpecError
    from tinyops.features import TensorFeatures
    from tinyops.graph import parse_graph

    cpu = CPUS[len(data) % len(CPUS)]
    try:
        graph = parse_graph(data, "fuzz.tflite")
        compile_model(graph, TensorFeatures(), CompileOptions(cpu=cpu, board="fuzz", arena_bytes=ARENA_BYTES))
    except (SpecError, DoesNotFit) as refusal:
        assert refusal.message, "an error without a sentence"
        return False
    return True


def seeds() -> list[bytes]:
    """Small models of every operator, the same on every run."""
    from fakes.strategies import all_strategies, drawn

    found = [model for name in all_strategies() for model in drawn(name, SEEDS_A_STRATEGY, same=True)]
    return [model for model in found if len(model) <= LARGEST_INPUT]


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """A mutation of a model: of its bytes, or of a field of one of its tables, so that deeper code is reached."""
    import atheris

    rng = random.Random(seed)  # noqa: S311
    if rng.random() < BYTES_SHARE:
        return bytes(atheris.Mutate(data, max_size))
    try:
        changed = _with_fields_changed(data, rng)
    except Exception:  # the object API walks into anything; a file that it cannot read is mutated as bytes
        changed = b""
    return changed if 0 < len(changed) <= max_size else bytes(atheris.Mutate(data, max_size))


def _with_fields_changed(data: bytes, rng: random.Random) -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if len(data) < SMALLEST_MODEL or data[4:8] != b"TFL3":
        return b""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    for _ in range(rng.randint(1, 3)):
        tables = [*graph.tensors, *graph.operators, *model.operatorCodes, *model.buffers, graph]
        tables += [t.quantization for t in graph.tensors] + [o.builtinOptions for o in graph.operators]
        table = rng.choice([table for table in tables if table is not None])
        name = rng.choice(sorted(vars(table)))
        value = getattr(table, name)
        if isinstance(value, list | np.ndarray) and len(value) and not hasattr(value[0], "__dict__"):
            items = list(value)
            items[rng.randrange(len(items))] = _other(items[0], rng)
            setattr(table, name, items[: rng.choice([len(items), len(items), len(items) - 1])])
        elif isinstance(value, int | float) and "Type" not in name:
            setattr(table, name, _other(value, rng))
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _other(value: Any, rng: random.Random) -> Any:
    if isinstance(value, float | np.floating):
        return rng.choice([0.0, -1.0, 1e-45, 1e-30, 1e-5, 0.5, 1.0, 1e5, 1e30, float("nan"), float("inf"), 1.17e-38])
    low, high = (0, 255) if isinstance(value, np.uint8) else (-(2**31), 2**31 - 1)
    return rng.choice([int(value) + 1, int(value) - 1, int(value) * 2, 0, 1, 2, 3, 7, 127, low, high])


def fuzz(scratch: Path, gathered: Path, seconds: int, memory_mb: int) -> None:
    """Runs atheris, which ends this process."""
    import atheris

    with (
        contextlib.redirect_stderr(io.StringIO()),  # a line for each module
        atheris.instrument_imports(include=["tinyops", "ai_edge_litert.schema_py_generated", "flatbuffers"]),
    ):
        first = seeds()
        compiled = sum(map(compile_anything, first))  # imports, too, what is imported late
    print(f"{len(first)} seeds, of which {compiled} compile, and {len(list(CORPUS.iterdir()))} files", flush=True)
    for number, model in enumerate(first):
        (scratch / f"seed-{number}").write_bytes(model)
    flags = (
        f"-max_total_time={seconds}",
        f"-timeout={ONE_INPUT_S}",
        f"-rss_limit_mb={memory_mb}",
        f"-malloc_limit_mb={memory_mb}",
        f"-max_len={LARGEST_INPUT}",
        "-verbosity=0",
        "-print_final_stats=1",
    )
    folders = (str(gathered), str(scratch), str(CORPUS))
    atheris.Setup([sys.argv[0], *flags, *folders], compile_anything, custom_mutator=mutated)
    atheris.Fuzz()


def fuzz_apart(arguments: argparse.Namespace) -> int:
    """Fuzzes in a process of its own, which is ended when it does not end by itself."""
    with tempfile.TemporaryDirectory(prefix="tinyops-fuzz-") as scratch:
        gathered = (arguments.corpus or Path(scratch) / "found").resolve()
        gathered.mkdir(parents=True, exist_ok=True)
        inside = Path(scratch) / "seeds"
        inside.mkdir()
        limits = ["--seconds", str(arguments.seconds), "--memory-mb", str(arguments.memory_mb)]
        command = [sys.executable, __file__, *limits, "--corpus", str(gathered), "--scratch", str(inside)]
        try:
            return subprocess.run(command, timeout=arguments.seconds + SPARE_S, check=False).returncode
        except subprocess.TimeoutExpired:
            print(f"no end {SPARE_S} s after its time: it hangs", file=sys.stderr)
            return FOUND


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="*", type=Path, help="files to compile once, instead of fuzzing")
    parser.add_argument("--seconds", type=int, default=30, help="how long to fuzz (default 30)")
    parser.add_argument("--memory-mb", type=int, default=1024, help="more is a find (default 1024)")
    parser.add_argument("--corpus", type=Path, help="folder that gathers inputs which reach something new")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for path in arguments.input:
        print(f"{path}: {'compiled' if compile_anything(path.read_bytes()) else 'refused'}")
    if arguments.input:
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing needs atheris, which is not installed: pip install 'tinyops[dev]'", file=sys.stderr)
        return 70
    if arguments.scratch is None:
        return fuzz_apart(arguments)
    fuzz(arguments.scratch, arguments.corpus, arguments.seconds, arguments.memory_mb)
    return 0


if __name__ == "__main__":
    sys.exit(main())
