"""Which texts does `similar` take for one, and which should it?

    python benchmarks/similar_answers.py [--encoder FOLDER] [--out FILE]

`data/similar_pairs.tsv` holds 200 pairs that say the same and 200 near misses, which the project wrote: short
answers, sentences and paragraphs in nine languages, and a few pairs across two. A near miss differs in a
number, a negation, a name, a date, who does what, and the like, mostly in otherwise equal words. The
threshold is chosen on every other pair, as the least one at which 95% of the pairs taken for one are; what it
reaches is said of the other half, too. The rules on words were written with all of these pairs in view.
`data/similar_pairs_second.tsv` was written after them and changed nothing: 30 pairs that say the same, and 30
that contradict each other in other words.
"""

import argparse
import csv
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from adaptive_reasoner.answers.free_text.clusters import AT_LEAST
from adaptive_reasoner.answers.free_text.differences import in_doubt
from adaptive_reasoner.answers.free_text.vectors import TextVectors
from adaptive_reasoner.kit.learning.encoders import open_encoder

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "benchmarks" / "data"
THRESHOLDS = tuple(round(0.4 + 0.05 * step, 2) for step in range(12))
PRECISION = 0.95


def read_pairs(name):
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def measured(rows, vectors):
    """The cosine of each pair, whether it says the same, and whether no word is in doubt."""
    cosines = np.array([vectors.similarities([row["one"], row["other"]])[0, 1] for row in rows])
    same = np.array([row["same"] == "1" for row in rows])
    return cosines, same, np.array([not in_doubt(row["one"], row["other"]) for row in rows])


def rates(taken, same):
    """Precision and recall of pairs taken for one; the precision of none is null."""
    right = int((taken & same).sum())
    return {
        "precision": round(right / int(taken.sum()), 3) if taken.any() else None,
        "recall": round(right / int(same.sum()), 3),
        "near_misses_taken": int((taken & ~same).sum()),
    }


def chosen(cosines, allowed, same, half):
    """The least threshold with the precision wanted on a half; null where there is none."""
    for threshold in THRESHOLDS:
        found = rates((cosines >= threshold) & allowed & half, same & half)["precision"]
        if found is not None and found >= PRECISION:
            return threshold
    return None


def by(names, cosines, allowed, same):
    """Pairs taken for one at the default, by kind or language."""
    taken = (cosines >= AT_LEAST) & allowed
    table = {}
    for name in sorted(set(names)):
        here = names == name
        table[name] = {
            "same": int((here & same).sum()),
            "same_taken": int((here & same & taken).sum()),
            "near_misses": int((here & ~same).sum()),
            "near_misses_taken": int((here & ~same & taken).sum()),
        }
    return table


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default=None, help="a folder with encoder.onnx; MiniLM if not given")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "similar_answers.json")
    options = parser.parse_args()

    vectors = TextVectors(open_encoder(options.encoder))
    rows = read_pairs("similar_pairs.tsv")
    cosines, same, sure = measured(rows, vectors)
    second_cosines, second_same, second_sure = measured(read_pairs("similar_pairs_second.tsv"), vectors)
    every = np.ones(len(rows), dtype=bool)
    first = np.arange(len(rows)) % 2 == 0
    result = {
        "pairs": {"same": int(same.sum()), "near_misses": int((~same).sum())},
        "default": AT_LEAST,
        "chosen_on_the_first_half": {
            "guarded": chosen(cosines, sure, same, first),
            "vectors_alone": chosen(cosines, every, same, first),
        },
        "default_on_each_half": {
            name: rates((cosines >= AT_LEAST) & sure & half, same & half)
            for name, half in (("first", first), ("second", ~first))
        },
        "default_on_the_second_set": {
            "guarded": rates((second_cosines >= AT_LEAST) & second_sure, second_same),
            "vectors_alone": rates(second_cosines >= AT_LEAST, second_same),
        },
        "by_threshold": {
            name: {str(threshold): rates((cosines >= threshold) & allowed, same) for threshold in THRESHOLDS}
            for name, allowed in (("guarded", sure), ("vectors_alone", every))
        },
        "by_kind": by(np.array([row["kind"] for row in rows]), cosines, sure, same),
        "by_language": by(np.array([row["language"] for row in rows]), cosines, sure, same),
        "near_misses_taken": [
            f"{row['one']} / {row['other']}"
            for row, cosine, allowed in zip(rows, cosines, sure, strict=True)
            if row["same"] == "0" and cosine >= AT_LEAST and allowed
        ],
        "encoder": options.encoder or "all-MiniLM-L6-v2, int8",
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "onnxruntime", "tokenizers")},
        "seed": None,
        "command": "python benchmarks/similar_answers.py",
    }
    options.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {key: result[key] for key in ("default_on_each_half", "default_on_the_second_set")}, indent=2
        )
    )


if __name__ == "__main__":
    main()
