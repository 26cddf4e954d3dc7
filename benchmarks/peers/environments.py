"""A virtual environment for each peer, made once, with versions pinned and what else came in recorded."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
PEERS = {
    "argrouter": ("scikit-learn==1.9.1", "argrouter==0.1.0a2"),
    "ucci": ("scikit-learn==1.9.1", "ucci-router==0.1.1"),
    "paretobandit": ("scikit-learn==1.9.1", "paretobandit==0.1.1"),
    "cre": (TORCH, "cre-router==0.6.3"),
    "routellm": (TORCH, "routellm==0.2.0"),
    "llmrouter": (TORCH, "llmrouter-lib==0.4.0"),
}
_TOLD = ("numpy", "scikit-learn", "scipy", "torch", *(wanted[-1].split("==")[0] for wanted in PEERS.values()))


def python_of(peer, folder):
    """The interpreter of a peer's environment, which is made where it is not there yet.

    Torch is installed first and alone, so that a machine whose pip finds a CPU build under that version
    takes it; where the build brings CUDA along, the environment is refused.
    """
    home = Path(folder).resolve() / peer
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = home / "installed.json"
    if done.exists() and json.loads(done.read_text()) == list(PEERS[peer]):
        return python
    venv.create(home, with_pip=True, clear=True)
    wanted = list(PEERS[peer])
    for step in ([TORCH], wanted) if TORCH in wanted else (wanted,):
        if step == [TORCH]:
            _refuse_cuda(python)
        _pip(python, "install", "--quiet", *step)
    done.write_text(json.dumps(wanted))
    return python


def versions_of(python):
    """Name and version of the packages that matter in an environment."""
    listed = json.loads(_pip(python, "list", "--format", "json"))
    return {each["name"]: each["version"] for each in listed if each["name"].lower() in _TOLD}


def _refuse_cuda(python):
    planned = _pip(python, "install", "--dry-run", "--quiet", "--report", "-", TORCH)
    names = [each["metadata"]["name"] for each in json.loads(planned)["install"]]
    if any(name.startswith("nvidia") for name in names):
        sys.exit(
            f"{TORCH} would bring CUDA, several gigabytes of it; point pip at a CPU build "
            "(PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL) and run again"
        )


def _pip(python, *arguments):
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
