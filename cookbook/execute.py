"""Makes each notebook from the script of the same name and runs it, so that it has outputs.

    python cookbook/execute.py [02 05 ...]

Without numbers, all notebooks are made. Cells have fixed ids, so equal runs make equal files.
"""

import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

COOKBOOK = Path(__file__).resolve().parent


def executed(script, folder=COOKBOOK):
    """The notebook of a script with its outputs; it runs in a folder."""
    notebook = jupytext.read(script)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources=where, coalesce_streams=True
    ).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)  # when it ran
    notebook.metadata.pop("language_info", None)  # which Python ran it
    return notebook


def main():
    os.environ["PYTHONPATH"] = str(COOKBOOK.parent)
    for script in sorted(COOKBOOK.glob("[0-9]*.py")):
        if not sys.argv[1:] or script.stem.startswith(tuple(sys.argv[1:])):
            nbformat.write(executed(script), script.with_suffix(".ipynb"))
            print(script.stem)


if __name__ == "__main__":
    main()
