"""`tinyops inspect`: the graph, live ranges, and the memory plan as text and as a picture that is true."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import Tflite, dense
from tinyops.cli import main
from tinyops.compiler.step import describe
from tinyops.graph import Graph
from tinyops.report.drawing import PLOT_HEIGHT, memory_svg
from tinyops.report.memory import FREE, Placed, Plan, chart, memory_plan

SVG = "{http://www.w3.org/2000/svg}"
PLAN = Plan(
    ("CONV_2D", "ADD", "SOFTMAX"),
    (
        Placed("inputs", "inputs", 0, 400, -1, 0),
        Placed("tensor 4", "4 conv/Relu", 400, 600, 0, 1),
        Placed("tensor 5", "5 add", 0, 16, 1, 2),
        Placed("outputs", "outputs", 64, 8, 2, 3),
    ),
    1008,
    1000,
)


def plan_of(model: Tflite) -> tuple[Plan, Graph]:
    compiled = compile_bytes(model.build([0], [3]))
    return memory_plan(describe(compiled), compiled.graph), compiled.graph


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - made by the code under test


def rectangles(svg: str) -> dict[str, tuple[float, float, float, float]]:
    """Tooltip -> x, y, width, height of every buffer's rectangle."""
    found = {}
    for group in parsed(svg).iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        if title is not None and rect is not None:
            x, y, width, height = (float(rect.get(name, "nan")) for name in ("x", "y", "width", "height"))
            found[str(title.text)] = (x, y, width, height)
    return found


def test_each_buffer_is_where_the_plan_has_it() -> None:
    found = {tip.partition(" (")[0]: place for tip, place in rectangles(memory_svg(PLAN, "m")).items()}
    assert set(found) == {"inputs", "4 conv/Relu", "5 add", "outputs"}
    (x0, y0, w0, h0), (x1, y1, w1, h1) = found["inputs"], found["4 conv/Relu"]
    assert x1 > x0
    assert w0 == pytest.approx(w1)
    assert h0 + 1.5 == pytest.approx(PLOT_HEIGHT * 400 / 1008, abs=0.05)
    assert h1 + 1.5 == pytest.approx(PLOT_HEIGHT * 600 / 1008, abs=0.05)
    assert y1 + h1 + 1.5 == pytest.approx(y0, abs=0.05), "4 lies upon the inputs"
    assert found["outputs"][2] == pytest.approx(w0)


def test_peak_and_lower_bound_are_marked() -> None:
    assert "peak 1,008 bytes" in memory_svg(PLAN, "m")
    assert "lower bound 1,000" in memory_svg(PLAN, "m")
    met = Plan(PLAN.operators, PLAN.buffers, 1000, 1000)
    assert "peak 1,000 bytes = lower bound" in memory_svg(met, "m")


def test_a_buffer_that_is_written_over_is_said_so_and_keeps_its_label_visible() -> None:
    under = Placed("tensor 1", "1 a", 0, 512, 0, 3)
    apart = Plan(("ADD",) * 4, (under, Placed("tensor 2", "2 b", 512, 512, 2, 4)), 1024, 1024)
    over = Plan(("ADD",) * 4, (under, Placed("tensor 2", "2 b", 256, 512, 2, 4)), 768, 768)
    sentence = "an operator writes over its input"
    assert sentence not in memory_svg(apart, "m")
    assert sentence in memory_svg(over, "m")
    middles = [
        float(re.findall(r"translate\(([\d.]+) [\d.]+\)\"?>?<text", memory_svg(p, "m"))[0]) for p in (apart, over)
    ]
    assert middles[1] < middles[0]


def test_a_picture_stands_alone_whatever_the_names() -> None:
    evil = '</text><script>alert("&")</script>'
    buffers = (Placed("tensor 0", evil, 0, 900, 0, 2),)
    text = memory_svg(Plan((evil, "ADD", "ADD"), buffers, 1008, 1000), evil)
    root = parsed(text)
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{t}" for t in ("svg", "title", "rect", "path", "text", "g")
    }
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "@font-face" not in text


def test_nothing_is_drawn_outside_of_the_page() -> None:
    many = Plan(("CONV_2D",) * 200, tuple(Placed(f"t{i}", f"{i} x", 0, 16, i, i) for i in range(200)), 16, 16)
    for plan in (PLAN, many, Plan(("ADD",), (Placed("inputs", "inputs", 0, 1, -1, 1),), 16, 16)):
        svg = memory_svg(plan, "m")
        width, height = (float(parsed(svg).get(name, "nan")) for name in ("width", "height"))
        for x, y, w, h in rectangles(svg).values():
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height


def test_the_chart_shows_what_is_live() -> None:
    text = chart(PLAN)
    assert text.startswith("arena 1,008 bytes; lower bound 1,000")
    rows = re.findall(r"┤(.*)", text)
    assert rows[-1].startswith("aaaacccc")
    assert rows[0].startswith(FREE * 2 + "bbbb")
    assert re.search(r"b +400 to +1,000 +600 bytes +live +0 to 1 +4 conv/Relu", text)


def test_a_compiled_model_has_its_buffers_in_the_plan() -> None:
    plan, _ = plan_of(dense())
    assert {b.name for b in plan.buffers} == {"inputs", "outputs"}
    assert max(b.end for b in plan.buffers) <= plan.arena_bytes
    assert plan.lower_bound <= plan.arena_bytes


def test_text_json_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, svg = tmp_path / "m.tflite", tmp_path / "out" / "m.svg"
    model.write_bytes(dense().build([0], [3]))
    assert main(["inspect", str(model), "--svg", str(svg)]) == 0
    said = capsys.readouterr().out
    assert "FULLY_CONNECTED" in said
    assert "constant" in said
    assert "0.5" in said
    assert parsed(svg.read_text()).tag == f"{SVG}svg"
    assert main(["inspect", str(model), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["operators"][0]["name"] == "FULLY_CONNECTED"
    assert value["tensors"][0]["live"] == [-1, 0]
    assert value["memory"]["arena_bytes"] % 16 == 0
    assert value["refused"] is None


def test_a_model_that_is_refused_is_still_shown_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = dense()
    changed.graph.operators[0].builtinOptions.fusedActivationFunction = 4
    model = tmp_path / "m.tflite"
    model.write_bytes(changed.build([0], [3]))
    assert main(["inspect", str(model)]) == 0
    assert "no memory plan: m.tflite: operator 0 FULLY_CONNECTED" in capsys.readouterr().out
    assert main(["inspect", str(model), "--svg", str(tmp_path / "m.svg")]) == 65
    assert main(["inspect", str(model), "--board", "nano33ble"]) == 65
    assert not (tmp_path / "m.svg").exists()
