"""Parts of menus."""

from adaptive_reasoner.models.source import Source
from tests.fakes import ScriptedModel


def source(**settings):
    return Source(ScriptedModel(), **settings)


ASK = '[sources.ask]\nmodel = "m"\n'
