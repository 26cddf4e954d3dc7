"""What may be shown of a database's URL, and of the errors that its driver raises: never a password."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, unquote_plus

from adaptive_reasoner.lazy_pattern import pattern

_PUBLIC = {"synchronous", "host", "hostaddr", "port", "sslmode", "connect_timeout"}
_HIDDEN = "***"
_SHORT = 4  # characters; a shorter secret is only hidden where it is a whole word

_SCHEME = pattern(r"([A-Za-z][\w+.-]*)://(.*)", re.DOTALL)
_LOGIN = pattern(r"([^:/@?]*)(?::([^@]*))?@")
_NO_PORT = pattern(
    r":(?!\d{0,5}(?:[,/]|$))([^,/]*)"
)  # what stands there may be a password: the host is missing


def showable(url: str) -> str:
    """The URL with every password, and every setting that may hold one, replaced by `***`.

    A text that is no URL, or can be read in two ways, is cut after its scheme.

    >>> showable("postgresql://me:secret@host/db?sslmode=require&sslpassword=secret")
    'postgresql://me:***@host/db?sslmode=require&sslpassword=***'
    >>> showable("postgresql:/me:secret@host")
    'postgresql:...'
    """
    found = _SCHEME.fullmatch(url)
    if found is None:
        before_colon = "".join(re.findall(r"\A[A-Za-z][\w+.-]*:", url))
        return url if re.fullmatch(r"[\w./~-]*", url) else f"{before_colon}..."
    scheme, rest = found.groups()
    login = _LOGIN.match(rest)
    place, mark, query = rest[login.end() if login else 0 :].partition("?")
    if "@" in place or (login and re.search(r"[?@]", login[0][:-1])):
        return f"{scheme}://..."
    if not scheme.startswith("sqlite") and (
        not re.fullmatch(r"[\w.:,/\[\]~%-]*", place) or _NO_PORT.search(_without_addresses(place))
    ):
        place = "..."
    user = "" if login is None else f"{login[1]}:{_HIDDEN}@" if login[2] is not None else f"{login[1]}@"
    settings = "&".join(_shown_setting(piece) for piece in query.split("&"))
    return f"{scheme}://{user}{place}{mark}{settings}"


def secrets_of(url: str) -> frozenset[str]:
    """The texts that must not be shown of a URL, as they are written and as they are meant."""
    found = _SCHEME.fullmatch(url)
    if found is None:
        return frozenset()
    login = _LOGIN.match(found[2])
    hidden = {login[2]} if login and login[2] else set()
    place, _, query = found[2][login.end() if login else 0 :].partition("?")
    if not found[1].startswith("sqlite"):
        hidden |= {text for text in _NO_PORT.findall(_without_addresses(place)) if text}
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if name not in _PUBLIC and value:
            hidden |= {value, *re.findall(r"=\s*(\S+)", unquote_plus(value))}
    return frozenset(text for each in hidden for text in (each, unquote(each), unquote_plus(each)))


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced by `***`, the longest first.

    >>> hide('invalid sslmode value: "secret"', {"secret"})
    'invalid sslmode value: "***"'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        literal = re.escape(secret)
        text = re.sub(literal if len(secret) >= _SHORT else rf"(?<!\w){literal}(?!\w)", _HIDDEN, text)
    return text


def hide_in(error: BaseException, secrets: Iterable[str]) -> None:
    """Hide the secrets in an error and in those that caused it, which a traceback shows too."""
    secrets, seen = frozenset(secrets), set[int]()
    todo: list[BaseException | None] = [error]
    while secrets and todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.args = tuple(hide(item, secrets) if isinstance(item, str) else item for item in each.args)
        todo += [each.__cause__, each.__context__, getattr(each, "orig", None)]


def _without_addresses(place: str) -> str:
    """Hosts, ports and path without addresses in brackets, which hold colons of their own."""
    return re.sub(r"\[[^\]]*\]", "", place)


def _shown_setting(piece: str) -> str:
    name, mark, _ = piece.partition("=")
    if name in _PUBLIC:
        return piece
    return f"{name}={_HIDDEN}" if mark and re.fullmatch(r"\w+", name) else _HIDDEN if piece else ""
