"""What an import adds to a file, in which unit, and what it never does twice."""

import json
import random

import pytest

from adaptive_reasoner import judged
from adaptive_reasoner.answers.grouping import fields
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.estimating.estimation import estimate
from adaptive_reasoner.kit.importing.importer import import_samples
from adaptive_reasoner.kit.off_policy.decisions import Decisions
from adaptive_reasoner.kit.samples import Samples
from adaptive_reasoner.models.metering import PriceMeter
from tests.fakes import ScriptedModel
from tests.unit_tests.kit.importing.logs import imported, of, write_lines

USED = {"prompt_tokens": 10, "completion_tokens": 4}


def row(question="6 * 7?", answer="42", model="gpt-5-mini", **more):
    return {"question": question, "answer": answer, "model": model, **more}


def test_importing_twice_adds_nothing_and_a_longer_log_adds_its_new_rows(tmp_path):
    rows = [row(), row(answer="43"), row()]
    first, written = imported(rows, "jsonl", tmp_path)
    again, same = imported(rows, "jsonl", tmp_path)
    longer, more = imported([*rows, row(answer="44"), row()], "jsonl", tmp_path)
    assert [(done.added, done.already) for done in (first, again, longer)] == [(3, 0), (0, 3), (2, 3)]
    assert written == same == more[:3]
    assert of(more, "sample", "answer") == [(0, "42"), (1, "43"), (2, "42"), (3, "44"), (4, "42")]
    assert (again.cost, longer.cost) == (0.0, 2.0)


def test_a_column_that_names_replies_tells_them_apart_and_finds_them_again(tmp_path):
    rows = [row(id=1), row(id=2), {**row(id=1), "extra": "changed"}]
    done, written = imported(rows, "jsonl", tmp_path, columns={"id": "id"})
    assert (len(written), done.already) == (2, 1)


def test_replies_go_to_the_questions_and_after_the_samples_that_the_file_has(tmp_path):
    there = {"question_id": "q17", "question": "6 * 7?", "source": "gpt-5-mini", "sample": 4, "answer": "42"}
    there |= {"gold": "42", "correct": 1.0, "cost": 1.0, "cost_unit": "samples", "prompt_sha": "x"}
    write_lines(tmp_path / "samples.jsonl", [there])
    done, rows = imported([row(), row(model="gpt-5")], "jsonl", tmp_path)
    assert of(rows, "question_id", "source", "sample") == [
        ("q17", "gpt-5-mini", 4),
        ("q17", "gpt-5-mini", 5),
        ("q17", "gpt-5", 0),
    ]
    assert (done.coverage.complete, rows[0]) == (1, there)
    assert len(Samples.read(tmp_path / "samples.jsonl")) == 1


def test_costs_are_in_dollars_where_most_are_known_else_in_tokens_else_in_samples(tmp_path):
    for number, (rows, unit, costs, left_out) in enumerate(
        [
            ([row(**USED)], "usd", [1.05e-5], 0),
            ([row(**USED), row(**USED), row()], "usd", [1.05e-5, 1.05e-5], 1),
            ([row(**USED, model="unheard-of"), row(**USED, model="unheard-of")], "tokens", [4.0, 4.0], 0),
            ([row(), row()], "samples", [1.0, 1.0], 0),
            ([row(cost=0.5), row(cost=0.25)], "usd", [0.5, 0.25], 0),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        done, written = imported(rows, "jsonl", tmp_path / str(number))
        assert (done.cost_unit, sum(done.left_out.values())) == (unit, left_out)
        assert [each["cost"] for each in written] == pytest.approx(costs)
        assert done.cost == pytest.approx(sum(costs))


def test_a_unit_that_is_asked_for_is_kept_to(tmp_path):
    _, rows = imported([row(**USED), row(cost=3, **USED)], "jsonl", tmp_path, cost_unit="tokens")
    assert of(rows, "cost", "cost_unit") == [(4.0, "tokens"), (3.0, "tokens")]
    with pytest.raises(OutcomesError, match=r"samples.jsonl: its costs are in 'tokens', not 'usd'"):
        imported([row(**USED)], "jsonl", tmp_path, cost_unit="usd")
    assert imported([row("6 * 9?", **USED)], "jsonl", tmp_path)[0].cost_unit == "tokens"
    with pytest.raises(
        OutcomesError, match=r"of no reply the cost in usd is known .*count calls with the unit samples"
    ):
        import_samples([row()], from_="jsonl", cost_unit="usd")
    with pytest.raises(OutcomesError, match=r"of no reply the cost in credits is known"):
        import_samples([row()], from_="jsonl", cost_unit="credits")


def test_declared_prices_take_the_place_of_listed_ones(tmp_path):
    prices = {"own": PriceMeter(prompt=1.0, completion=10.0)}
    _, rows = imported([row(**USED, model="own")], "jsonl", tmp_path, prices=prices)
    assert of(rows, "cost", "cost_unit") == [(pytest.approx(5e-5), "usd")]


def test_free_text_is_kept_whole_and_can_be_graded_later(tmp_path):
    poem = "Roses are red.\nViolets are blue, and so on and on, for many lines that state nothing."
    done, rows = imported([row("Write a poem.", poem)], "jsonl", tmp_path)
    assert rows[0]["answer"] == " ".join(poem.split())
    assert done.coverage.free_text == 1
    assert any("free text" in sentence for sentence in done.coverage.cannot)


@pytest.mark.parametrize(
    ("key", "answer", "correct"), [("auto", "b", 1.0), ("choice", "b", 1.0), ("exact", "b", 0.0)]
)
def test_the_key_says_what_an_answer_is_and_whether_it_is_right(tmp_path, key, answer, correct):
    _, rows = imported([row("Which?", "Answer: B", gold="(B) Paris")], "jsonl", tmp_path, key=key)
    assert of(rows, "answer", "correct", "graded_by") == [(answer, correct, key)]


def test_a_key_that_compares_replies_with_each_other_is_refused():
    with pytest.raises(
        TypeError, match="judged compares replies with each other; import by a key that reads"
    ):
        import_samples([row()], from_="jsonl", key=judged(ScriptedModel()))
    assert import_samples([row(answer='{"a": 1}')], from_="jsonl", key=fields("a")).replies == 1


def test_texts_may_be_digests_or_redacted_and_equal_ones_stay_equal(tmp_path):
    rows = [
        row(gold="42"),
        row(model="gpt-5", gold="42"),
        row(answer=None, error="Timeout: of user 7", gold="42"),
    ]
    done, written = imported(rows, "jsonl", tmp_path, texts=False)
    assert "6 * 7" not in (tmp_path / "samples.jsonl").read_text()
    assert "user 7" not in (tmp_path / "samples.jsonl").read_text()
    assert written[0]["answer"] == written[1]["answer"] == written[0]["gold"]
    assert [each["correct"] for each in written] == [1.0, 1.0, 0.0]
    assert done.coverage.compared == 1
    (tmp_path / "x").mkdir()
    _, written = imported(
        [row("call 555-123?")], "jsonl", tmp_path / "x", redact=lambda text: text.replace("555-123", "***")
    )
    assert written[0]["question"] == "call ***?"


def test_groups_are_for_all_questions_or_for_none_and_one_each(tmp_path):
    with pytest.raises(OutcomesError, match="row 2: some questions have a group and some have none"):
        import_samples([row(group="a"), row("6 * 8?")], from_="jsonl")
    with pytest.raises(OutcomesError, match="row 2: its question has the group 'b' here, and 'a' before"):
        import_samples([row(group="a"), row(group="b")], from_="jsonl")
    imported([row(group="a")], "jsonl", tmp_path)
    before = (tmp_path / "samples.jsonl").read_bytes()
    with pytest.raises(
        OutcomesError, match="its questions have groups; name a group for all questions or for none"
    ):
        imported([row("6 * 8?")], "jsonl", tmp_path)
    with pytest.raises(OutcomesError, match="has the group 'a', and 'b' in the import"):
        imported([row(group="b")], "jsonl", tmp_path)
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_nothing_is_written_before_all_logs_are_read(tmp_path):
    good = write_lines(tmp_path / "good.jsonl", [row()])
    bad = write_lines(tmp_path / "bad.jsonl", [row(), {"question": "6 * 8?"}])
    with pytest.raises(OutcomesError, match=r"bad.jsonl: row 2: there is no column 'answer'"):
        imported([good, bad], "jsonl", tmp_path)
    assert not (tmp_path / "samples.jsonl").exists()
    assert imported([good], "jsonl", tmp_path)[0].added == 1


def test_a_file_that_is_no_samples_file_is_refused(tmp_path):
    write_lines(tmp_path / "samples.jsonl", [{"a": 1}])
    with pytest.raises(OutcomesError, match=r"samples.jsonl: row 1: question_id is missing"):
        imported([row()], "jsonl", tmp_path)
    with pytest.raises(OutcomesError, match=r"samples are collected into a .jsonl file"):
        import_samples([row()], from_="jsonl", out=tmp_path / "samples.parquet")


def test_a_limit_ends_the_reading(tmp_path):
    def endless():
        number = 0
        while True:
            number += 1
            yield row(f"{number} + 1?")

    assert import_samples(endless(), from_="jsonl", limit=7).replies == 7


def test_arguments_that_make_no_sense_are_refused():
    for wrong, reason in [
        ({"from_": "xml"}, "no format 'xml'"),
        ({"from_": "langsmith", "runs": "all"}, "'root' or 'llm'"),
        ({"from_": "jsonl", "limit": 0}, "at least 1"),
        ({"from_": "jsonl", "columns": {"reply": "x"}}, "no column 'reply' to name"),
    ]:
        with pytest.raises(ValueError, match=reason):
            import_samples([row()], **wrong)


def test_a_log_with_propensities_is_one_of_decisions(tmp_path):
    rows = [row(f"{n} + 1?", str(n + 1), gold=n + 1, propensity=0.9, policy_id="p7") for n in range(3)]
    rows.append(row("4 + 1?", "6", "gpt-5", gold=5, propensity=0.1, policy_id="p7", action="gpt-5_vote_3"))
    done, _ = imported(rows, "jsonl", tmp_path)
    decisions = Decisions.read(tmp_path / "samples.jsonl")
    assert decisions.counts() == {"gpt-5-mini": 3, "gpt-5_vote_3": 1}
    assert (decisions.propensity.tolist(), decisions.score.tolist()) == (
        [0.9, 0.9, 0.9, 0.1],
        [1.0, 1.0, 1.0, 0.0],
    )
    assert decisions.policies == {"p7": 4}
    assert "backtest --log" in " ".join(done.coverage.can)


def test_a_log_of_one_model_a_question_is_planned_collected_and_estimated(tmp_path):
    draw = random.Random(0)
    models = {"small": (2.0, 0.6), "large": (30.0, 0.9)}
    log = []
    for number in range(60):
        model = draw.choice(list(models))
        cost, right = models[model]
        said = number + 1 if draw.random() < right else 0
        log.append(row(f"{number} + 1?", str(said), model, gold=number + 1, cost=cost))
    done, rows = imported(log, "jsonl", tmp_path, cost_unit="tokens")
    assert (done.coverage.compared, done.coverage.complete, done.coverage.graded) == (0, 0, 60)
    with pytest.raises(OutcomesError, match=r"small 2\d|large 3\d") as refused:
        estimate(Samples.read(tmp_path / "samples.jsonl"), votes=(1,))
    assert "import" in str(refused.value)
    assert "--plan" in str(refused.value)
    plan = done.plan(questions=25)
    assert (plan.questions, plan.complete, plan.calls) == (25, 0, 25)
    assert plan.cost == sum(len(each.question_ids) * models[each.source][0] for each in plan.sources)
    golds = {each["question_id"]: each["gold"] for each in rows}
    texts = {each["question_id"]: each["question"] for each in rows}
    with (tmp_path / "samples.jsonl").open("a") as file:
        for each in plan.sources:
            for name in each.question_ids:
                more = {"question_id": name, "question": texts[name], "source": each.source, "sample": 0}
                more |= {
                    "answer": golds[name],
                    "gold": golds[name],
                    "correct": 1.0,
                    "cost": 1.0,
                    "cost_unit": "tokens",
                }
                file.write(json.dumps(more) + "\n")
    with pytest.warns(UserWarning, match="left out 35 of 60 questions"):
        outcomes = estimate(Samples.read(tmp_path / "samples.jsonl"), votes=(1,))
    assert len(outcomes) == 25
