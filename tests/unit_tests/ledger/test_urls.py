"""No password of a ledger's URL is ever shown."""

import socket
import traceback
from pathlib import Path

import pytest

from adaptive_reasoner.errors import LedgerError
from adaptive_reasoner.ledger import open_ledger
from adaptive_reasoner.ledger.sql import schema
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.ledger.urls import hide, secrets_of, showable

SECRETS = ("hush-hush", "hush%2Dhush")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def urls(secret, port):
    """URLs with a password in every place that takes or could take one; none leads anywhere."""
    there = f"127.0.0.1:{port}/db"
    return [
        f"postgresql://me:{secret}@{there}",
        f"postgresql+psycopg://me:{secret}@{there}",
        f"postgresql://:{secret}@{there}",
        f"postgresql://{there}?password={secret}",
        f"postgresql://{there}?sslpassword={secret}&sslmode=disable",
        f"postgresql://{there}?passfile=/nowhere/{secret}",
        f"postgresql://{there}?options=-c%20app.password%3D{secret}",
        f"postgresql://{there}?sslmode=require&password={secret}&unheard_of={secret}",
        f"postgresql://{there}?{secret}",
        f"postgresql://{there}?gssencmode={secret}",
        f"postgresql://me:ha@{secret}@{there}",
        f"postgresql://me:{secret}@127.0.0.1:port/db",
        f"postgresql://me:{secret}",
        f"postgresql://me:{secret}/db?sslmode=disable",
        f"postgresql:/me:{secret}@{there}",
        f"postgresql:me:{secret}@{there}",
        f"postgres://me:{secret}@{there}",
        f"mysql+pymysql://me:{secret}@{there}",
        f"mysql://{there}?password={secret}",
        f"host=127.0.0.1 port={port} password={secret}",
        f"sqlite://me:{secret}@host/x.db",
        f"sqlite:///x.db?password={secret}",
        f"sqlite+aiosqlite:///x.db?password={secret}",
    ]


def everything_of(error):
    """All that a traceback, a log or a debugger's hover would show of an error."""
    shown = ["".join(traceback.format_exception(error))]
    todo, seen = [error], set()
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            shown += [str(each), repr(each)]
            todo += [each.__cause__, each.__context__, getattr(each, "orig", None)]
    # What Python prints of a line of this test itself is no message of the library.
    return "\n".join(line for line in "\n".join(shown).splitlines() if not line.startswith("    "))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("number", range(len(urls("", 0))))
def test_no_error_shows_a_password(secret, number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = urls(secret, free_port())[number]
    for opening in (lambda: open_ledger(url, target=1.0), lambda: LedgerReader(url)):
        with pytest.raises(LedgerError) as refused:
            opening()
        shown = everything_of(refused.value)
        assert not [each for each in SECRETS if each in shown], shown
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["show", "history", "reset", "watch"])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_command_shows_a_password(command, verb, secret, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in urls(secret, free_port()):
        code, printed, said = command("ledger", verb, url, *(["--json"] if verb != "watch" else []))
        assert (code, printed) == (2, "")
        assert said.count("\n") == 1
        assert not [each for each in SECRETS if each in said], said


def test_a_url_is_shown_with_what_is_no_secret():
    assert showable("sqlite:///a/b c.db?synchronous=normal") == "sqlite:///a/b c.db?synchronous=normal"
    assert showable("postgresql://me@host:5432/db?host=a&x=y") == "postgresql://me@host:5432/db?host=a&x=***"
    assert showable("ledger.sqlite") == "ledger.sqlite"
    several = "postgresql://me@[::1]:5432,host:5433/db"
    assert showable(several) == several


def test_a_short_secret_is_hidden_only_as_a_word():
    secrets = secrets_of("postgresql://me:a@host/db")
    assert hide("password a of a database", secrets) == "password *** of *** database"


def test_a_question_mark_in_a_files_name_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url, named in (
        ("a?b", "setting b"),
        ("a?b=c", "setting b"),
        ("a?", "setting"),
        ("a?b&c", "setting b"),
    ):
        for opening in (
            lambda url=url: open_ledger(f"sqlite:///{url}"),
            lambda url=url: LedgerReader(f"sqlite:///{url}"),
        ):
            with pytest.raises(LedgerError, match=named):
                opening()
    assert not any(tmp_path.iterdir())


def test_a_relative_path_is_resolved_once(tmp_path, monkeypatch):
    (here := tmp_path / "what? here").mkdir()
    (there := tmp_path / "there").mkdir()
    monkeypatch.chdir(here)
    with (
        open_ledger("sqlite:///ledger.sqlite", target=300.0) as ledger,
        open_ledger("sqlite:///ledger.sqlite", journal="journal") as journaled,
    ):
        held = ledger.reserve(5.0, "a"), journaled.reserve(5.0, "b")
        monkeypatch.chdir(there)
        assert ledger.settle(held[0], 4.0).status == "settled"
        assert journaled.settle(held[1], 4.0).status == "settled"
        aside = Path(here, "ledger.sqlite").rename(there / "aside")
        journaled.charge(2.0, "c")
        aside.rename(here / "ledger.sqlite")
        assert journaled.snapshot().spent == 10.0
    assert not any(there.iterdir())


def test_an_engine_does_not_hold_the_password_where_it_is_shown():
    pytest.importorskip("psycopg")
    engine = schema.open_engine("postgresql://me:hush-hush@host/db?password=hush-hush&sslpassword=hush-hush")
    assert "hush" not in f"{engine!r} {engine.url!r}"
