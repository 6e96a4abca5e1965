import pytest

from medjax.evaluation import checklist, data_words, evidence
from medjax.evaluation.checklist import AUTHOR, CLAIM, NOT_APPLICABLE, TRIPOD_AI, answer
from tests.evaluation.hand_made import judged, record


def answers(items, run):
    return {item[0]: answer(item, run) for item in items}


def test_claim_has_its_44_items_in_order():
    assert [item[0] for item in CLAIM] == [str(n) for n in range(1, 45)]


def test_tripod_ai_has_its_27_items_in_52_parts():
    numbers = [item[0] for item in TRIPOD_AI]
    parts = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}
    assert numbers == [
        f"{n}{letter}" for n in range(1, 28) for letter in ("abcdefg"[: parts[n]] if n in parts else [""])
    ]
    assert len(numbers) == 52


@pytest.mark.parametrize("items", [CLAIM, TRIPOD_AI])
def test_wordings_are_short_and_differ(items):
    words = [item[1] for item in items]
    assert len(set(words)) == len(words)
    assert max(map(len, words)) < 70


def test_a_run_answers_with_its_own_numbers():
    found = answers(CLAIM, record())
    assert found["8"] == "Left out: a report (7)."
    assert found["12"] == "Left out: 5 unreadable images and 11 images without a label."
    assert "390 for training" in found["19"]
    assert found["20"].startswith("Unit of the split: patient or study.")
    assert found["35"] == data_words.inclusion(record())
    assert found["36"] == "Images by class; train: clear 200 and ill 190; val: clear 41 and ill 25; " + (
        "test: clear 76 and ill 55."
    )
    assert found["37"].startswith("test: accuracy 0.900 (0.84–0.95), macro AUROC 0.830, log loss 0.250, on 131 images")
    assert "clear: 0.810 (0.71–0.91), 0.820" in found["38"]
    assert found["39"].startswith("13 of 131 images of test were wrong")


def test_what_only_the_author_knows_is_left_to_the_author():
    found = answers(CLAIM, record()) | {f"T{k}": v for k, v in answers(TRIPOD_AI, record()).items()}
    for number in ("1", "5", "14", "33", "40", "44", "T2", "T14", "T17", "T18a", "T27c"):
        assert found[number] == AUTHOR


def test_not_applicable_says_why():
    found = answers(TRIPOD_AI, record())
    assert found["9c"] == f"{NOT_APPLICABLE}: the predictors are pixels, which nobody interpreted."
    assert found["13"].startswith(NOT_APPLICABLE)
    assert answers(CLAIM, record())["27"].startswith(NOT_APPLICABLE)


def test_what_was_done_is_evidence_and_not_inapplicable():
    weighted = record(config={"class_weights": "balanced"})
    assert answers(TRIPOD_AI, weighted)["13"] == "Classes were weighted in the loss by their inverse frequency."
    several = record(config={"evaluation": {"views": 4, "subgroups": ["scanner"]}})
    assert "4 augmented views" in answers(CLAIM, several)["27"]
    assert NOT_APPLICABLE not in answers(CLAIM, several)["27"]
    assert "by scanner" in answers(TRIPOD_AI, several)["12d"]
    told = record(preprocessing={"input_columns": {"age": ["1"]}})
    assert answers(TRIPOD_AI, told)["9c"] == AUTHOR
    assert answers(TRIPOD_AI, told)["9a"] == "The pixels of the image, and age."


def test_heat_maps_and_further_tables_are_evidence_where_they_are():
    assert answers(CLAIM, record())["31"] == AUTHOR
    assert "Heat maps of 12 test images" in answers(CLAIM, record(heatmaps=12))["31"]
    assert answers(CLAIM, record())["30"] == AUTHOR
    splits = {**record().evaluation["splits"], "test, one image a group": {}}
    again = record(evaluation={"splits": splits})
    assert evidence.sensitivity_analysis(again) == "The results are also given for: test, one image a group."


def test_unknown_groups_are_not_counted():
    assert evidence.headline(judged(groups=None)).endswith("on 131 images.")


def test_the_tables_count_their_answers():
    page = checklist.section(record())
    given = list(answers(CLAIM, record()).values())
    author, excluded = given.count(AUTHOR), sum(text.startswith(NOT_APPLICABLE) for text in given)
    assert author > 20
    assert excluded == 1
    assert f"Of 44 items, {44 - author - 1} have evidence in this run, 1 is not applicable, {author} are for" in page
    assert page.count("<tr>") == 1 + 44 + 1 + 52


def test_a_run_without_files_leaves_nearly_all_to_the_author():
    nothing = {name: {} for name in ("config", "environment", "preprocessing", "costs", "audit", "splits")}
    bare = record(**nothing, rows=[], predictions=None)
    found = answers(CLAIM, bare)
    assert {number for number in found if found[number] != AUTHOR} == {
        "7", "19", "20", "28", "29", "32", "37", "38", "39"
    }  # fmt: skip


def test_an_external_test_set_is_no_internal_one():
    run = record(evaluation={"external": {"audited": True}})
    found = answers(CLAIM, run)
    assert found["32"] == AUTHOR
    assert found["33"] == found["37"]
    assert answers(CLAIM, record())["33"] == AUTHOR


def test_an_ensemble_is_never_called_one_network():
    members = [{"name": "small_net", "seed": seed} for seed in (3, 5)]
    assert answers(CLAIM, record(evaluation={"ensemble": members}))["27"].startswith(
        "The probabilities of 2 runs were averaged"
    )
