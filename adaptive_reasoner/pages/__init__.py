"""The theme of the HTML pages, light and dark, and tables for notebooks."""

import re
from functools import cache
from importlib.resources import files


def asset(package: str, name: str) -> str:
    """The text of a file that is installed with a package."""
    return (files(package) / name).read_text(encoding="utf-8")


def style() -> str:
    """The theme as CSS: colours as custom properties, text, tables, figures."""
    return asset(__package__, "theme.css")


def theme_script() -> str:
    """Lets a reader choose light or dark; without it a page follows the system."""
    return asset(__package__, "theme.js")


@cache
def colours() -> dict[str, str]:
    """The light colour of each name in the theme.

    Example:
        >>> colours()["paper"]
        '#ffffff'
    """
    return dict(re.findall(r"--([a-z]+): light-dark\((#[0-9a-f]{6}),", style()))
