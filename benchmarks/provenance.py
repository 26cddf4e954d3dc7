"""What a result was measured on, and with."""

import platform
from importlib.metadata import version


def made_with(*packages, machine=""):
    """The machine and the versions of packages, as fields of a result; `machine` says more of the first."""
    about = f"{platform.machine()}, Python {platform.python_version()}"
    return {
        "machine": f"{about}, {machine}" if machine else about,
        "versions": {package: version(package) for package in packages},
    }
