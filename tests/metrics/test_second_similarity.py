"""A second encoder's similarity is reported beside the first encoder's."""

from __future__ import annotations

from pathlib import Path

from gill_bench.cards.find import Cards, builtin_folder
from gill_bench.reporting import tables_for
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from tests.support.backbones import write_clip
from tests.support.metric_cases import Case
from tests.support.runs import CARDS, run

NOT_COMPARED = "its values are those of clip-similarity, which is compared"
HARNESS = (Case({}, write_clip, "mini"),)

ENTRY = """
[[metrics]]
name = "second-similarity"
settings = { features = "projected" }
[metrics.weights]
id = "openai/clip-vit-base-patch32"
mini = "clip-mini"

[mini]
"""


def test_a_second_similarity_of_the_same_network_has_the_values_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    text = (builtin_folder() / "tasks" / "vist.toml").read_text(encoding="utf-8")
    (tmp_path / "tasks" / "vist.toml").write_text(text.replace("\n[mini]\n", ENTRY), encoding="utf-8")
    out = tmp_path / "run"
    assert run(out, contexts=("5-captions",), limit=3, seeds=1, card_folders=(CARDS, tmp_path / "tasks")).complete
    reader = RunReader.open(out)
    first, second = (
        reader.values(CellKey("vist", "noisy", "5-captions"), f"{name}-similarity[mini]") for name in ("clip", "second")
    )
    assert first is not None
    assert second is not None
    assert second.by_seed == first.by_seed
    assert second.signature == first.signature.replace("clip-similarity", "second-similarity")
    contexts = ("5-captions-4-images", "5-captions-4-images@foreign-images")
    assert run(out, contexts=contexts, limit=6, seeds=1, card_folders=(CARDS, tmp_path / "tasks")).complete
    [table] = tables_for([out], Cards(), ["context-use"])
    assert {"clip-similarity[mini]", "second-similarity[mini]"} < {column.metric for column in table.columns}
