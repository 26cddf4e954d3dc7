"""Policy folders from strangers: copies of a good one with a part replaced, under digests that fit.

A folder opens or is refused: in one line, soon and in little memory. Folders are opened in a process of their
own, which also finds crashes, and which measures.
"""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

GOOD = Path(__file__).parents[1] / "data" / "v0_1_0" / "policy"
CARD = json.loads((GOOD / "policy.json").read_text())
FILES = tuple(CARD["files"])
SECONDS, MEGABYTES = 2.0, 300
# On Python 3.14 langsmith, which langchain-core imports, calls what is deprecated there.
WARNINGS = ("-W", "error", "-W", "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning")

OPEN = """
import json, resource, sys, time
from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.learned import LearnedPolicy
LearnedPolicy.load(sys.argv[1]).decide("how many ?")
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for folder in map(str.strip, sys.stdin):
    start, before = time.process_time(), peak()
    try:
        policy = LearnedPolicy.load(folder)
        decision = policy.decide("tom has 3 apples", key="a")
        policy.prospects("cot", 0.5)
        said = "works" if decision.action in policy.actions else "chooses nothing"
    except PolicyFormatError as error:
        said = f"refused: {error}"
    except Exception as error:
        said = f"raised {type(error).__name__}: {error}"
    row = {"said": said, "seconds": time.process_time() - start, "megabytes": peak() - before}
    print(json.dumps(row), flush=True)
"""


def opened(folders):
    """What comes of opening each folder, one after another in one other process."""
    listed = "".join(f"{folder}\n" for folder in folders)
    run = subprocess.run(
        [sys.executable, *WARNINGS, "-c", OPEN, str(GOOD)],
        input=listed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120 + len(folders),
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(rows) == len(folders), f"crashed on {folders[len(rows)]}: {run.returncode} {run.stderr[-500:]}"
    return dict(zip([Path(folder).name for folder in folders], rows, strict=True))


def check(rows):
    """That every folder opened or was refused in one line, soon and in little memory."""
    wrong = {
        name: row
        for name, row in rows.items()
        if not (row["said"] == "works" or row["said"].startswith("refused: "))
        or "\n" in row["said"]
        or row["seconds"] > SECONDS
        or row["megabytes"] > MEGABYTES
    }
    assert wrong == {}


def forged(folder, card=CARD, **contents):
    """The good policy with another card or other files (`encoder_onnx=...`), under digests that fit."""
    folder.mkdir()
    for name in FILES:
        content = contents.get(name.replace(".", "_"))
        (folder / name).write_bytes((GOOD / name).read_bytes() if content is None else content)
    return sealed(folder, card)


def sealed(folder, card=CARD):
    """The folder with digests in its card that fit; a file that cannot be read keeps the digest it had."""
    digests = {
        name: sha256((folder / name).read_bytes()).hexdigest() for name in FILES if is_plain(folder / name)
    }
    fields = {name: value for name, value in card.items() if name != "digest"}
    if isinstance(fields.get("files"), dict) and fields["files"].keys() >= digests.keys():
        fields["files"] = fields["files"] | digests
    said = json.dumps(fields, sort_keys=True)
    fields["digest"] = sha256(said.encode()).hexdigest()
    (folder / "policy.json").write_text(json.dumps(fields))
    return folder


def is_plain(path):
    return path.is_file() and not path.is_symlink()
