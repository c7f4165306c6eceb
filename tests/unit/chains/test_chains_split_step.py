"""The split step: split.json, its facts, and what it says to people."""

from __future__ import annotations

import json
from pathlib import Path

from fakes.chain_boards import chain_settings, split_with
from fakes.row_models import camera_network
from fakes.state_models import delay_line
from tinyops.graph import parse_graph
from tinyops.split import cut_model
from tinyops.split.document import read_split, set_digest


def test_split_json_says_what_the_parts_are(tmp_path: Path) -> None:
    data = camera_network()
    facts = split_with(data, chain_settings([None] * 2, [None] * 2, cuts=(2,)), tmp_path)
    split = read_split(tmp_path / "out" / "split.json")
    graph = parse_graph(data, "whole")
    assert split.cuts == (2,) and split.set == set_digest(graph.digest, (2,)) == facts["set"]
    for part, file in zip(split.parts, cut_model(data, "whole", (2,)), strict=True):
        assert (part.begin, part.end) == (file.begin, file.end)
        assert tuple(t.tensor for t in part.takes) == file.takes and tuple(t.tensor for t in part.gives) == file.gives
        assert tuple(part.takes[i].tensor for i in part.inputs) == file.inputs
        assert tuple(part.gives[i].tensor for i in part.outputs) == file.outputs
    assert [part.name for part in split.parts] == ["a", "b"] and split.links[0].baud == 1_000_000
    assert facts["links"] == [{"from": "a", "tensor_bytes": 240, "sent_bytes": 252}]
    assert facts["cuts"] == [2] and facts["how"] == "given" and facts["was"] is None


def test_what_is_passed_on_stands_in_both_parts(tmp_path: Path) -> None:
    split_with(delay_line(), chain_settings([None] * 2, [None] * 2), tmp_path)
    near, far = read_split(tmp_path / "out" / "split.json").parts
    assert near.gives == far.takes


def test_the_explanation_has_costs_next_best_and_what_one_board_would_do(tmp_path: Path) -> None:
    facts = split_with(camera_network(), chain_settings([None, None], [700, None]), tmp_path)
    explanation = json.loads((tmp_path / "out" / "split.json").read_bytes())["explanation"]
    text = "\n".join(explanation["text"])
    assert explanation["text"] == facts["explanation"]
    chosen = explanation["chosen"]
    assert [part["name"] for part in chosen["parts"]] == ["a", "b"]
    assert all(part["flash_bytes"] > 0 and part["arena_bytes"] > 0 for part in chosen["parts"])
    assert chosen["parts"][0]["budget"] == {"flash_bytes": None, "ram_bytes": 700}
    assert explanation["others"] and text.count("next best") == len(explanation["others"])
    near, far = explanation["single"]
    assert near["arena"]["by_rows"] <= near["arena"]["reordered"] <= near["arena"]["plain"]
    assert near["arena_short"] == max(0, near["arena"]["by_rows"] - 700) and near["fits"] is (not near["arena_short"])
    assert far["fits"] and "one board would do: " in text and "it is cut all the same" in text
    assert "the whole on board-0: arena" in text and "700: " in text


def test_a_whole_that_no_board_holds_is_said_by_bytes(tmp_path: Path) -> None:
    """Rows are tried before: the arena that they leave is the one that is short."""
    facts = split_with(camera_network(), chain_settings([5000, 5000], [700, 700]), tmp_path)
    text = "\n".join(facts["explanation"])
    assert "one board would do" not in text
    assert " short" in text.partition("the whole on board-1")[2]


def test_kept_cuts_are_said_to_be(tmp_path: Path) -> None:
    facts = split_with(camera_network(), chain_settings([None] * 2, [None] * 2, keep=[3]), tmp_path)
    assert facts["how"] == "kept" and facts["explanation"][0] == "cut at 3, as released, and still fits"


def test_a_recut_says_what_was_and_why_it_is_no_longer(tmp_path: Path) -> None:
    settings = chain_settings([None] * 2, [None, 400], keep=[1])
    facts = split_with(camera_network(), settings, tmp_path)
    assert facts["was"]["cuts"] == [1] and "short" in facts["was"]["why"]
    assert facts["explanation"][0].startswith("cut anew: the cuts that were released, 1, fit no longer: ")
