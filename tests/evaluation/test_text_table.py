from medjax.evaluation.text_table import text_table


def test_the_first_column_stands_to_the_left_and_the_others_to_the_right():
    assert text_table([["", "test"], ["Images", "7"]]) == ["        test", "────────────", "Images     7"]
