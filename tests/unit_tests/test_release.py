"""What a release says of itself agrees: version, changelog, citation, workflow."""

import importlib.util
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import adaptive_reasoner

PROJECT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def test_version_changelog_and_citation_agree():
    latest = re.search(r"^## \[(\d\S*)\] - (\d{4}-\d\d-\d\d)$", (PROJECT / "CHANGELOG.md").read_text(), re.M)
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert latest[1] == DECLARED["version"] == cited["version"]
    assert latest[2] == str(cited["date-released"])
    assert cited["license"] == DECLARED["license"]


def test_the_package_says_its_version():
    assert adaptive_reasoner.__version__ == version("adaptive-reasoner")


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


@pytest.fixture(scope="module")
def readme_of():
    spec = importlib.util.spec_from_file_location("hatch_build", PROJECT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    readme = (PROJECT / "README.md").read_text()
    return lambda repository: module.as_shown_elsewhere(readme, repository)


def test_without_a_repository_the_readme_of_the_package_has_no_link_or_image_that_leads_nowhere(readme_of):
    shown = readme_of(None)
    assert "<picture>" not in shown
    assert "[Quickstart]" not in shown
    assert "Quickstart" in shown
    links = re.findall(r"\]\(([^)]+)\)", shown)
    assert links
    assert all(link.startswith("https://") for link in links)


@pytest.mark.parametrize("repository", [None, "https://example.org/owner/project"])
def test_the_readme_of_the_package_installs_the_package_and_no_clone(repository, readme_of):
    shown = readme_of(repository)
    assert 'pip install "adaptive-reasoner[openai,agents,prices]"' in shown
    assert "clone" not in shown
    assert 'install ".' not in shown


def test_with_a_repository_the_readme_of_the_package_shows_its_images_and_leads_to_its_files(readme_of):
    shown = readme_of("https://example.org/owner/project/")
    images = re.findall(r'\b(?:srcset|src)="([^"]+)"', shown)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", shown) if not link.startswith("#")]
    assert all(link.startswith("https://") for link in links + images)
    for place in (*images, *links):
        if place.startswith("https://example.org/owner/project/"):
            kind, branch, path = place.removeprefix("https://example.org/owner/project/").split("/", 2)
            assert (kind, branch) == ("raw" if place in images else "blob", "main")
            assert (PROJECT / path.partition("#")[0]).exists()
    assert len(images) == 2
