"""How long tinyops and its peers take to say that there is nothing to do, over graphs of the same size, in one run.

python benchmarks/bench_plan_peers.py [--install] [models ...]

`--install` puts DVC, Snakemake, octoDNS and doit with pip into an environment of their own below .tinyops; nothing of
them is part of tinyops. One that is not there is left out by name. A model is one spec of 500 bytes and one output: a
stage of DVC, a rule's target of Snakemake, a task of doit, ten DNS records of octoDNS (its models' devices); tinyops
plans the dataset, trainings, quantisations, images, firmware, twins and devices of that many models.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bench_plan
from _repository import ROOT, release
from _timing import heading, program, ratio, table

from tinyops.process import Completed, find_tool, run

SIZES = (100, 1000)
ROUNDS = 3
RECORDS_PER_MODEL = 10
PEERS_FOLDER = ROOT / ".tinyops" / "peers"
PACKAGES = ("dvc==3.67.1", "snakemake==9.27.1", "octodns==1.22.0", "doit==0.37.0")
TIMEOUT_S = 1800.0
SPEC = "learning_rate: 0.003\nseed: {number}\n" + "# what a model of this size says of itself, line by line\n" * 8


@dataclass(frozen=True)
class Took:
    """Seconds of one run: on the wall, and of processors (user and system)."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Peer:
    """A program that plans: how its graph is written and settled, what is run, what it says when all is as it was."""

    name: str
    tool: str
    write: Callable[[Path, int], None]
    command: tuple[str, ...]
    says: str

    def find(self) -> Path | None:
        path = program() if self.tool == "tinyops" else PEERS_FOLDER / "bin" / self.tool
        return path if path.exists() else None

    def version(self) -> str:
        words = _quiet([str(self.find()), "--version"], Path.cwd()).stdout.split()
        return next((word for word in words if word[0].isdigit()), "")

    def plan(self, root: Path) -> Completed:
        return _quiet([str(self.find()), *self.command], root)


def main(sizes: Sequence[int]) -> None:
    heading("To say that there is nothing to do: whole processes, everything read before")
    here = [peer for peer in PEERS if peer.find() is not None]
    for peer in PEERS:
        if peer not in here:
            print(f"left out: {peer.name} is not installed (--install)")
    if len(here) == 1:
        return  # bench_plan.py measures tinyops alone
    print("versions: " + ", ".join(f"{peer.name} {peer.version()}" for peer in here))
    rows = []
    for models in sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows += _measure(here, Path(folder), models)
    headers = ("models", "program", f"wall, median of {ROUNDS}", "processor", "a model", "of tinyops' processor time")
    table(headers, rows)


def _measure(peers: Sequence[Peer], folder: Path, models: int) -> list[tuple[str, ...]]:
    roots = {}
    for peer in peers:
        roots[peer.name] = folder / peer.name.split()[0]
        roots[peer.name].mkdir()
        peer.write(roots[peer.name], models)
        said = peer.plan(roots[peer.name])
        if peer.says not in said.stdout + said.stderr:
            raise SystemExit(f"{peer.name} has something to do, so this would not measure it\n{said.stdout[-2000:]}")
    taken: dict[str, list[Took]] = {peer.name: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer in peers:  # one after the other, so that a slow minute of the machine falls on all
            taken[peer.name].append(_timed(lambda peer=peer: peer.plan(roots[peer.name])))  # type: ignore[misc]
    cpu = {name: statistics.median(t.cpu_s for t in times) for name, times in taken.items()}
    wall = {name: statistics.median(t.wall_s for t in times) for name, times in taken.items()}
    return [
        (
            f"{models:,}",
            name,
            f"{wall[name]:.2f} s",
            f"{cpu[name]:.2f} s",
            f"{1000 * cpu[name] / models:.2f} ms",
            ratio(cpu[name], cpu["tinyops"]),
        )
        for name in taken
    ]


def _timed(case: Callable[[], object]) -> Took:
    before, begin = _children_s(), time.perf_counter()
    case()
    return Took(time.perf_counter() - begin, _children_s() - before)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _quiet(command: Sequence[str], cwd: Path) -> Completed:
    env = {
        "NO_COLOR": "1",
        "TERM": "dumb",
        "DVC_NO_ANALYTICS": "1",
        "PATH": f"{PEERS_FOLDER / 'bin'}:{os.environ['PATH']}",
    }
    return run(command, timeout_s=TIMEOUT_S, cwd=cwd, env=env, check=False)


# -- graphs ------------------------------------------------------------------------------------


def _specs(root: Path, models: int) -> None:
    """The specs and outputs that every file-based peer gets: outputs are newer."""
    (root / "specs").mkdir()
    (root / "out").mkdir()
    for number in range(models):
        (root / "specs" / f"{number}.yaml").write_text(SPEC.format(number=number))
    for number in range(models):
        (root / "out" / f"{number}.bin").write_text(f"model {number}\n")


def _write_tinyops(root: Path, models: int) -> None:
    bench_plan.write(root, models)
    release(root)


def _write_dvc(root: Path, models: int) -> None:
    _specs(root, models)
    stages = "".join(
        f"  train-{n}:\n    cmd: cp specs/{n}.yaml out/{n}.bin\n    deps: [specs/{n}.yaml]\n    outs: [out/{n}.bin]\n"
        for n in range(models)
    )
    (root / "dvc.yaml").write_text(f"stages:\n{stages}")
    dvc = str(PEERS_FOLDER / "bin" / "dvc")
    for command in ([dvc, "init", "--no-scm", "-q"], [dvc, "commit", "-f", "-q"]):
        done = _quiet(command, root)
        if done.returncode:
            raise SystemExit(f"dvc: {done.stderr[-2000:]}")


def _write_snakemake(root: Path, models: int) -> None:
    _specs(root, models)
    (root / "Snakefile").write_text(
        f'rule all:\n    input: expand("out/{{n}}.bin", n=range({models}))\n'
        'rule train:\n    input: "specs/{n}.yaml"\n    output: "out/{n}.bin"\n    shell: "cp {input} {output}"\n'
    )


def _write_doit(root: Path, models: int) -> None:
    _specs(root, models)
    (root / "dodo.py").write_text(
        "def task_train():\n"
        f"    for n in range({models}):\n"
        "        yield {'name': str(n), 'actions': [lambda: True], 'file_dep': [f'specs/{n}.yaml'],\n"
        "               'targets': [f'out/{n}.bin']}\n"
    )
    _quiet([str(PEERS_FOLDER / "bin" / "doit")], root)


def _write_octodns(root: Path, models: int) -> None:
    records = "".join(
        f"d{n:06}:\n  type: A\n  value: 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}\n"
        for n in range(models * RECORDS_PER_MODEL)
    )
    for folder in ("wanted", "there"):
        (root / folder).mkdir()
        (root / folder / "example.com.yaml").write_text(f"---\n{records}")
    providers = "".join(
        f"  {name}:\n    class: octodns.provider.yaml.YamlProvider\n    directory: ./{name}\n"
        for name in ("wanted", "there")
    )
    zone = "  example.com.:\n    sources: [wanted]\n    targets: [there]\n"
    (root / "config.yaml").write_text(f"---\nproviders:\n{providers}zones:\n{zone}")


PEERS = (
    Peer("tinyops", "tinyops", _write_tinyops, ("plan",), "No changes."),
    Peer("DVC status", "dvc", _write_dvc, ("status",), "up to date"),
    Peer("Snakemake -n", "snakemake", _write_snakemake, ("-n",), "Nothing to be done"),
    Peer("octoDNS dry run", "octodns-sync", _write_octodns, ("--config-file", "config.yaml"), "No changes"),
    Peer("doit", "doit", _write_doit, (), "-- train:0"),
)


def install() -> None:
    """An environment of its own for the peers, made anew."""
    find_tool("git")  # DVC wants it
    run([sys.executable, "-m", "venv", "--clear", PEERS_FOLDER], timeout_s=TIMEOUT_S)
    run([PEERS_FOLDER / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES], timeout_s=TIMEOUT_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--install", action="store_true", help="install the peers first, into an environment of their own"
    )
    parser.add_argument("models", nargs="*", type=int, default=SIZES, help="how many models")
    arguments = parser.parse_args()
    if arguments.install:
        install()
    main(tuple(arguments.models))
