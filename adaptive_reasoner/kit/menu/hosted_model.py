"""A chat model by its name: made when it is first called, with the key that the menu names."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from adaptive_reasoner.errors import MenuError, needs
from adaptive_reasoner.models.source import ChatModel

_KEY_NAME = re.compile(r"(^|_)(API)?(KEY|TOKEN)$", re.IGNORECASE)


@dataclass(frozen=True)
class HostedModel:
    """Makes the chat model of a source, when it is first called."""

    model: str
    base_url: str | None = None
    api_key_env: str | None = None
    timeout: float | None = None
    max_retries: int | None = None

    @property
    def host(self) -> str:
        """The host that gets the calls and the key: an address, or the provider in the name."""
        if self.base_url is None:
            return self.model.partition(":")[0] if ":" in self.model else f"the provider of {self.model}"
        address = urlsplit(self.base_url)
        return f"{address.hostname}:{address.port}" if address.port else str(address.hostname)

    def __call__(self) -> ChatModel:
        """The chat model.

        Raises:
            ImportError: The package that calls it is not installed.
            MenuError: The variable that should hold its key is not set, or there is no such provider.
        """
        given = {"timeout": self.timeout, "max_retries": self.max_retries}
        arguments: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.api_key_env is not None:
            if not os.environ.get(self.api_key_env):
                raise MenuError(
                    f"model {self.model!r} takes its key from {self.api_key_env}, which is not set"
                )
            arguments["api_key"] = os.environ[self.api_key_env]
        if self.base_url is not None:
            with needs("an OpenAI-compatible endpoint needs", "openai"):
                from langchain_openai import ChatOpenAI
            at = {"base_url": self.base_url, "api_key": "none"}
            return self._made(lambda: ChatOpenAI(model=self.model, **{**at, **arguments}))
        with needs(f"model {self.model!r} without base_url needs", "agents"):
            from langchain.chat_models import init_chat_model
        return self._made(lambda: init_chat_model(self.model, **arguments))

    def _made(self, make: Callable[[], ChatModel]) -> ChatModel:
        try:
            return make()
        except ImportError:
            raise
        except Exception as error:
            message = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            reason = message.strip().partition("\n")[0]
            raise MenuError(f"model {self.model!r} cannot be called: {reason}") from error


def check_key(variable: str | None, base_url: str | None, where: str, *, named_only: bool) -> None:
    """Refuse a menu that would send a secret unencrypted, or a variable that is no key.

    Args:
        variable: The environment variable that holds the key, if any.
        base_url: The address that gets it.
        where: The table of the menu, for errors.
        named_only: Whether the variable must have the name of a key.

    Raises:
        MenuError: The address is none, the key would cross a network unencrypted, or the variable may hold
            something else.
    """
    try:
        address = urlsplit(base_url or "https:")
        address.port  # noqa: B018 - read only when it is asked for
    except ValueError as error:
        raise MenuError(f"[{where}] base_url is {base_url!r}, which is not an address: {error}") from error
    if base_url is not None and not (address.scheme in ("http", "https") and address.hostname):
        raise MenuError(
            f"[{where}] base_url is {base_url!r}; an address such as http://localhost:8000/v1 is needed"
        )
    if variable is None:
        return
    if address.scheme != "https" and not _is_this_machine(address.hostname or ""):
        raise MenuError(
            f"[{where}] the key in {variable} would go unencrypted to {address.hostname}; use https, or an "
            "address of this machine"
        )
    if named_only and not _KEY_NAME.search(variable):
        raise MenuError(
            f"[{where}] api_key_env is {variable!r}, which is not the name of a key; use a variable whose "
            "name ends in _KEY or _TOKEN"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
