"""Every error class of the package, whichever module defines it."""

import importlib
import pkgutil
from contextlib import suppress

import adaptive_reasoner


def every_error():
    for module in pkgutil.walk_packages(adaptive_reasoner.__path__, "adaptive_reasoner."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # a module for newer versions or extras that are not installed
                importlib.import_module(module.name)
    found, new = set(), {BaseException}
    while new:
        found |= new
        new = {each for error in new for each in error.__subclasses__()} - found
    return sorted((each for each in found if each.__module__.startswith("adaptive_reasoner")), key=str)
