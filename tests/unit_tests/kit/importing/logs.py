"""Reading what an import makes, for its tests."""

import json

from adaptive_reasoner.kit.importing.importer import import_samples
from adaptive_reasoner.kit.tables.files import read_rows


def write_lines(path, values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def imported(logs, from_, tmp_path, **settings):
    """What an import says, and the rows that it writes."""
    out = tmp_path / "samples.jsonl"
    done = import_samples(logs, from_=from_, out=out, **settings)
    return done, list(read_rows(out))


def of(rows, *names):
    """Some cells of each row."""
    return [tuple(row.get(name) for name in names) for row in rows]
