"""The tables and figures of README.md, docs/ and benchmarks/README.md, from the committed results.

    python benchmarks/tables [--check]

Rewrites what stands between the markers of each page, and the pictures; with `--check` it changes nothing
and says whether they show the results.
"""

import argparse
import re
import sys
from functools import partial
from pathlib import Path

from front import demo, figures, hosted, without_labels
from ledgers import accuracy_floor, ledger_adherence, ledger_pacers, ledger_regret, ledger_throughput
from picture import THEMES, picture
from policies import backtests, batch_allocation, looking, peers, shipped_lift, training_size
from servers import server_load
from stops import stopping

BENCHMARKS = Path(__file__).resolve().parents[1]
PAGES = {
    BENCHMARKS / "README.md": {
        "peers": peers,
        "backtests": backtests,
        "shipped_lift": shipped_lift,
        "looking": looking,
        "training_size": training_size,
        "batch_allocation": batch_allocation,
        "stopping": stopping,
        "ledger_adherence": ledger_adherence,
        "ledger_pacers": ledger_pacers,
        "accuracy_floor": accuracy_floor,
        "ledger_regret": ledger_regret,
        "ledger_throughput": ledger_throughput,
        "server_load": server_load,
    },
    BENCHMARKS.parent / "README.md": {"hosted": hosted},
    BENCHMARKS.parent / "docs" / "index.md": {"hosted": hosted},
    BENCHMARKS.parent / "docs" / "demo.md": {"demo": demo},
    BENCHMARKS.parent / "docs" / "measured.md": {"figures": figures},
    BENCHMARKS.parent / "docs" / "how-to" / "labels.md": {"without_labels": without_labels},
    BENCHMARKS.parent / "docs" / "how-to" / "serve.md": {"server_load": server_load},
}
PICTURES = {
    BENCHMARKS.parent / "docs" / "images" / f"hosted-{theme}.svg": partial(picture, theme) for theme in THEMES
}


def filled(text, tables):
    """A page with its tables made anew."""
    for name, lines in tables.items():
        body = "\n".join(lines()).strip()
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, body=body: f"{found[1]}{body}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"there must be one pair of markers for {name}, not {count}")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a page differs")
    check = parser.parse_args().check
    made_by_file = {page: filled(page.read_text(), tables) for page, tables in PAGES.items()}
    made_by_file |= {file: draw() for file, draw in PICTURES.items()}
    for page, made in made_by_file.items():
        text = page.read_text() if page.exists() else ""
        if check and made != text:
            sys.exit(
                f"{page.relative_to(BENCHMARKS.parent)} does not show the results: python benchmarks/tables"
            )
        page.write_text(made)


if __name__ == "__main__":
    main()
