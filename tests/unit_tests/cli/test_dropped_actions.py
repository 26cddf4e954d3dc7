"""What the commands say of actions that are never worth choosing."""

from adaptive_reasoner.cli.summaries import of_training

REPORT = {
    "verdict": "ship",
    "ships": "imitator",
    "actions": ["direct", "cot"],
    "dropped": [],
    "gate": {
        "lift": 0.03,
        "low": 0.01,
        "high": 0.05,
        "questions": 400,
        "needed": None,
        "labels": None,
        "needed_labels": None,
    },
    "held_out": {"accuracy": 0.8, "cost": 20.0},
    "learner": "ridge",
}


def test_training_names_the_actions_that_it_dropped_in_one_line():
    said = of_training("policy", REPORT | {"dropped": ["guess", "shout"]}, "tokens")
    assert said["dropped"] == "2 of 4 actions are never worth choosing: guess, shout"


def test_training_that_dropped_nothing_says_nothing_of_it():
    assert "dropped" not in of_training("policy", REPORT, "tokens")
