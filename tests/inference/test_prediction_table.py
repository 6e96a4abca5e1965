from collections import Counter

from medjax.inference.prediction_file import SHOWN, Answer, Summary
from medjax.inference.prediction_table import prediction_table


def summary(answers, demo=False):
    found = Summary(("x", "y"), demo, counts=Counter())
    for answer in answers:
        found.add(answer)
    return found


def test_a_line_an_image_and_the_counts():
    answers = [
        Answer("a.png", (0.2, 0.8), "y", ("x", "y")),
        Answer("b.png", (0.9999, 0.0001), "x"),
        Answer("c.png", reason="empty file (0 bytes)"),
    ]
    lines = prediction_table(summary(answers)).splitlines()
    assert lines[2].split() == ["a.png", "y", "0.800", "x,", "y"]
    assert lines[3].split() == ["b.png", "x", ">0.999", "–"]
    assert lines[4].split("–")[-1].strip() == "empty file (0 bytes)"
    assert lines[-1] == "Predicted: 1 x, 1 y; 1 could not be used."


def test_only_the_first_are_shown_and_long_names_end_as_they_end():
    text = prediction_table(summary([Answer("d" * 60 + "/a.png", (1.0, 0.0), "x")] * (SHOWN + 3)))
    assert "… and 3 images more" in text
    assert max(map(len, text.splitlines()[2:5])) < 80
    assert text.count("/a.png") == SHOWN
    assert f"Predicted: {SHOWN + 3} x, 0 y; 0 could not be used." in text


def test_a_demo_says_so_first():
    assert prediction_table(summary([], demo=True)).startswith("DEMO")
