"""What the tests of several modules ask with."""

import sys

import pytest


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """A graph or an agent, invoked either way."""

    async def sync(graph, *args, **kwargs):
        return graph.invoke(*args, **kwargs)

    async def later(graph, *args, **kwargs):
        return await graph.ainvoke(*args, **kwargs)

    return sync if request.param == "sync" else later


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache folder of the module's own, in place of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPTIVE_REASONER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command line as the shell would; gives its exit code, stdout and stderr."""
    from adaptive_reasoner import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["adaptive-reasoner", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
