"""Caption scores of two sets of captions in one process, gill-bench against pycocoevalcap's own order of calls.

    python benchmarks/captions.py [FOLDER] [--captions 1000] [--rounds 3]

FOLDER holds `coco/annotations/captions_val2017.json` (default: GILL_BENCH_TEST_DATA). The first caption of each picture
is scored against the picture's other captions (1,000 pictures have about 4,024 references). The second set stands for
another model and has the same references; by then gill-bench has started METEOR's process and split the references into
tokens. The benchmark checks that both compute the same scores. Aim: from the second set on, gill-bench is at least 4
times as fast, by the medians of the interleaved rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from gill_bench.metrics.functional.captions import caption_scores

Captions = dict[str, str]
References = dict[str, list[str]]


def real_captions(folder: Path, number: int) -> tuple[Captions, References]:
    file = folder / "coco" / "annotations" / "captions_val2017.json"
    by_image: dict[str, list[str]] = defaultdict(list)
    for annotation in json.loads(file.read_text(encoding="utf-8"))["annotations"]:
        by_image[str(annotation["image_id"])].append(annotation["caption"])
    chosen = sorted(by_image)[:number]
    return {id_: by_image[id_][0] for id_ in chosen}, {id_: by_image[id_][1:] for id_ in chosen}


def of_another_model(captions: Captions, round_: int) -> Captions:
    """Return captions that were not scored before: each lacks a word of the original."""
    shorter = {}
    for id_, caption in captions.items():
        words = caption.split()
        del words[round_ % len(words)]
        shorter[id_] = " ".join(words)
    return shorter


def coco_scores(captions: Captions, references: References) -> dict[str, float]:
    """Compute the scores in the order of `COCOEvalCap.evaluate`, without SPICE."""
    with contextlib.redirect_stdout(None):
        tokenizer = PTBTokenizer()
        gts = tokenizer.tokenize({id_: [{"caption": text} for text in texts] for id_, texts in references.items()})
        res = tokenizer.tokenize({id_: [{"caption": text}] for id_, text in captions.items()})
        scorers = [Bleu(4), Meteor(), Rouge(), Cider()]
        bleus, meteor, rouge, cider = (scorer.compute_score(gts, res)[0] for scorer in scorers)
    return dict(zip((f"bleu-{n}" for n in range(1, 5)), bleus, strict=True)) | {
        "meteor": meteor,
        "rouge-l": float(rouge),
        "cider": float(cider),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("GILL_BENCH_TEST_DATA"))
    parser.add_argument("--captions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.folder is None:
        parser.error("name the folder of real data, or set GILL_BENCH_TEST_DATA")
    captions, references = real_captions(options.folder, options.captions)
    print(f"{len(captions)} captions, {sum(map(len, references.values()))} references")
    seconds: dict[str, list[float]] = {"gill-bench": [], "pycocoevalcap": []}
    for set_ in range(1 + options.rounds):
        predicted = of_another_model(captions, set_) if set_ else captions
        start = time.perf_counter()
        expected = coco_scores(predicted, references)
        middle = time.perf_counter()
        scores = caption_scores(predicted, references).corpus
        end = time.perf_counter()
        worst = max(abs(scores[name] - value) for name, value in expected.items())
        assert worst < 1e-9, (scores, expected)
        seconds["pycocoevalcap"].append(middle - start)
        seconds["gill-bench"].append(end - middle)
        print(
            f"set {set_ + 1}: pycocoevalcap {middle - start:5.2f} s, gill-bench {end - middle:5.2f} s, "
            f"ratio {(middle - start) / (end - middle):4.1f}, largest difference {worst:.1e}"
        )
    later = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    print(
        f"from the second set on: pycocoevalcap {later['pycocoevalcap']:.2f} s, "
        f"gill-bench {later['gill-bench']:.2f} s, ratio {later['pycocoevalcap'] / later['gill-bench']:.1f}"
    )


if __name__ == "__main__":
    main()
