"""Which cuts are chosen: the same as if every run of operators had been compiled, kept while they fit, or refused."""

from __future__ import annotations

import itertools
import re

import pytest

from fakes.chain_boards import chain_settings, costs_of
from fakes.pass_models import cell
from fakes.row_models import camera_network, remembering_network
from tinyops.chains import choosing
from tinyops.chains.choosing import choose, possible_cuts
from tinyops.chains.costing import Costs
from tinyops.chains.settings import SplitSettings
from tinyops.errors import DoesNotFit, SpecError
from tinyops.graph import parse_graph
from tinyops.split import Problem, search

MODELS = {"camera": camera_network, "cell": lambda: cell(2), "remembering": remembering_network}


def compile_all(costs: Costs) -> int:
    last = len(costs.graph.operators)
    parts = len(costs.settings.parts)
    runs = [
        (part, begin, end)
        for part in range(parts)
        for begin, end in itertools.combinations(range(last + 1), 2)
        if (part > 0 or begin == 0) and (part < parts - 1 or end == last) and costs(part, begin, end) is not None
    ]
    return costs.compile_runs(runs)


@pytest.mark.parametrize(("name", "minimise"), [("camera", "ram"), ("cell", "latency"), ("camera", "latency")])
def test_bounds_choose_what_figures_choose(name: str, minimise: str) -> None:
    data = MODELS[name]()
    settings = chain_settings([None, None, None], [None, 4000, None], minimise=minimise)
    lazy, eager = costs_of(data, settings), costs_of(data, settings)
    chosen = choose(settings, lazy).explanation
    every = compile_all(eager)
    found = search(Problem(settings.chain, eager.positions, eager, settings.wish))
    assert [chosen.chosen, *(other.placement for other in chosen.others)] == list(found.placements)
    assert lazy.compiled <= every


@pytest.mark.parametrize("name", ["camera", "cell", "remembering"])
def test_no_bound_is_more_than_the_figures(name: str) -> None:
    """Else a search over bounds might miss the best."""
    costs = costs_of(MODELS[name](), chain_settings([None] * 2, [None] * 2))
    last = len(costs.graph.operators)
    tried = 0
    for begin, end in itertools.combinations(range(last + 1), 2):
        for part in range(2):
            bound = costs(part, begin, end)
            costs.compile_runs([(part, begin, end)] if bound is not None else [])
            figures = costs(part, begin, end)
            if bound is not None and figures is not None:
                tried += 1
                assert bound.flash_bytes <= figures.flash_bytes, (part, begin, end)
                assert bound.arena_bytes <= figures.arena_bytes, (part, begin, end)
                assert bound.instructions <= figures.instructions, (part, begin, end)
    assert tried > 6


def roomy(**more: object) -> SplitSettings:
    return chain_settings([None, None], [None, None], **more)


def test_cuts_of_the_spec_are_taken_and_not_searched() -> None:
    costs = costs_of(camera_network(), roomy(cuts=(3,)))
    choice = choose(costs.settings, costs)
    assert (choice.how, choice.explanation.chosen.cuts, choice.explanation.others) == ("given", (3,), ())
    assert costs.compiled == 2


def test_released_cuts_stay_while_they_fit() -> None:
    costs = costs_of(camera_network(), roomy())
    best = choose(costs.settings, costs).explanation.chosen.cuts
    other = (1,) if best != (1,) else (2,)
    costs = costs_of(camera_network(), roomy(keep=other))
    choice = choose(costs.settings, costs)
    assert (choice.how, choice.explanation.chosen.cuts, choice.was) == ("kept", other, None)


@pytest.mark.parametrize(
    ("keep", "arena", "why"),
    [
        ((1,), 400, "part 'b' on board-1 needs"),
        ((9,), None, "cuts \\[9\\] of 4 operators"),
        ((1, 2), None, "2 cuts for 2 parts"),
    ],
)
def test_released_cuts_that_fit_no_longer_are_replaced(keep: tuple[int, ...], arena: int | None, why: str) -> None:
    settings = chain_settings([None, None], [None, arena], keep=keep)
    costs = costs_of(camera_network(), settings)
    choice = choose(settings, costs)
    fresh = replace_keep(settings)
    assert choice.how == "searched" and choice.was == keep and choice.explanation.chosen.cuts != keep
    assert choice.explanation.chosen == choose(fresh, costs_of(camera_network(), fresh)).explanation.chosen
    assert re.search(why, choice.why), choice.why


def replace_keep(settings: SplitSettings) -> SplitSettings:
    return settings.model_copy(update={"keep": None})


def test_a_chain_that_cannot_hold_the_model_names_the_part_and_the_bytes() -> None:
    settings = chain_settings([None, 900], [None, None])
    costs = costs_of(camera_network(), settings)
    with pytest.raises(DoesNotFit) as caught:
        choose(settings, costs)
    (nearest,) = [(begin, end) for (_, begin, end), cost in costs.made.items() if cost and end == 4 and begin == 3]
    needed = costs(1, *nearest)
    assert needed is not None
    short = needed.flash_bytes - 900
    said = f"part 'b' on board-1 needs {needed.flash_bytes:,} bytes of flash and has 900: {short:,} short"
    assert said in caught.value.message and "more parts" in caught.value.hint


def test_given_cuts_that_do_not_fit_name_the_part_and_the_bytes() -> None:
    settings = chain_settings([None, None], [None, 100], cuts=(1,))
    with pytest.raises(DoesNotFit, match=r"cut at 1: part 'b' on board-1 needs .* bytes of RAM and has 100: .* short"):
        choose(settings, costs_of(camera_network(), settings))


def test_a_graph_without_a_cut_of_one_tensor_is_cut_through_several() -> None:
    data = cell(2)
    crossing = [len(p.tensors) for p in possible_cuts(parse_graph(data, "cell"))[1:-1]]
    assert min(crossing) > 1
    costs = costs_of(data, roomy())
    part = choose(costs.settings, costs).explanation.chosen.parts[0]
    assert len(part.tensors) == crossing[part.end - 1]


def test_cuts_that_would_tear_a_variable_are_refused() -> None:
    data = remembering_network()
    refused = [p.at for p in possible_cuts(parse_graph(data, "int8"))[1:-1] if "variable" in p.refused]
    costs = costs_of(data, roomy(cuts=(refused[0],)))
    with pytest.raises(SpecError, match="share the variable"):
        choose(costs.settings, costs)


def test_a_message_that_links_cannot_carry_is_no_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = parse_graph(camera_network(), "camera")
    sizes = [p.bytes for p in possible_cuts(graph)]
    monkeypatch.setattr(choosing, "MESSAGE_MAX", min(sizes[1:-1]))
    told = [p.refused for p in possible_cuts(graph)]
    assert [bool(why) for why in told[1:-1]] == [size > min(sizes[1:-1]) for size in sizes[1:-1]]
    assert f"{max(sizes):,} bytes cross it, links carry" in "".join(told)


def test_a_latency_that_no_cuts_keep_is_said() -> None:
    settings = roomy(at_most_ms=0.001)
    with pytest.raises(DoesNotFit, match="ms too long"):
        choose(settings, costs_of(camera_network(), settings))
