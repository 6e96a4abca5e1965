from medjax.evaluation.saliency_page import section

FOUND = {
    "method": "Grad-CAM of the predicted class",
    "images": 180,
    "hits": 90,
    "hit_rate": 0.5,
    "interval": [0.4277, 0.5723],
    "without_peak": 3,
    "area_share": 0.0512,
    "other_images": 0.0671,
}


def test_the_hit_rate_stands_beside_its_interval_and_chance():
    page = section(FOUND)
    for text in ("90 of 180", "0.500 (0.428–0.572)", "0.051", "0.067", "counted as misses"):
        assert text in page


def test_what_is_not_known_is_left_out():
    assert section({}) == ""
    page = section({**FOUND, "without_peak": 0, "other_images": None})
    assert "another image" not in page
    assert "misses" not in page
