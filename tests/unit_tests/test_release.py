"""What a release says of itself agrees: version, changelog, citation, workflow."""

import re
import tomllib
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def test_version_changelog_and_citation_agree():
    latest = re.search(r"^## \[(\d\S*)\] - (\d{4}-\d\d-\d\d)$", (PROJECT / "CHANGELOG.md").read_text(), re.M)
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert latest[1] == DECLARED["version"] == cited["version"]
    assert latest[2] == str(cited["date-released"])
    assert cited["license"] == DECLARED["license"]


def test_the_latest_version_is_read_in_a_minute():
    text = (PROJECT / "CHANGELOG.md").read_text()
    latest = re.split(r"^## ", text, flags=re.M)[1]
    assert len(latest.split()) < 450


def test_the_workflow_runs_what_must_be_green_on_every_python_that_is_claimed():
    jobs = yaml.safe_load((PROJECT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert ".ci/run" in [step.get("run") for step in jobs["checks"]["steps"]]
    claimed = [name.rpartition(" ")[2] for name in DECLARED["classifiers"] if "Python :: 3." in name]
    assert jobs["pythons"]["strategy"]["matrix"]["python"] == claimed


def test_the_extras_that_messages_and_pages_name_are_declared():
    pages = [*(PROJECT / "adaptive_reasoner").rglob("*.py"), *(PROJECT / "docs").rglob("*.md")]
    pages.append(PROJECT / "README.md")
    named = {
        extra
        for page in pages
        for extras in re.findall(r"adaptive-reasoner\[([\w,]+)\]", page.read_text())
        for extra in extras.split(",")
    }
    named |= {
        extra
        for page in (PROJECT / "adaptive_reasoner").rglob("*.py")
        for extra in re.findall(r'needs\("[^"]+", "(\w+)"\)', page.read_text())
    }
    assert {"agents", "kit", "prices"} <= named <= set(DECLARED["optional-dependencies"])
