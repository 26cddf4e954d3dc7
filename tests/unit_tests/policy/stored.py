"""Policy folders that differ, and reasoners that run their actions."""

import shutil

from adaptive_reasoner.models.source import Source
from adaptive_reasoner.reasoner.reasoner import AdaptiveReasoner
from adaptive_reasoner.strategies.voting import self_consistency, single_pass
from tests.fakes import ScriptedModel
from tests.unit_tests.policy.forged_folders import CARD, forged

ACTIONS = {"direct": single_pass(), "cot": self_consistency(3)}


def made(folder, number=0, **fields):
    """A policy folder whose digest is that of its number."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return forged(folder, CARD | {"number": number} | fields)


def replaced(folder, number=0, **fields):
    """Put another policy in the place of one, as training does: whole."""
    new = made(folder.with_name(f".{folder.name}-new"), number, **fields)
    old = folder.rename(folder.with_name(f".{folder.name}-old"))
    new.rename(folder)
    shutil.rmtree(old)
    return folder


def reasoner_of(policy, actions=None, *, latency=0.0, **options):
    model = Source(ScriptedModel(answers=("Answer: 7",), latency=latency), max_tokens=8)
    return AdaptiveReasoner(model, policy=policy, actions=actions or ACTIONS, **options)
