"""Figures and their intervals in words: never certain by rounding."""

from typing import Any

_UNBOUNDED = ("log_loss", "rsna_2024_score", "calibration_intercept", "calibration_slope", "mean_set_size")


def format_score(value: float | None) -> str:
    """Write a rate with three decimals; never 1.000 or 0.000 unless it is exactly that; None is "–"."""
    if value is None:
        return "–"
    text = _signed(value, 3)
    if text == "1.000" and value < 1:
        return ">0.999"
    if text == "0.000" and value > 0:
        return "<0.001"
    return text


def format_estimate(metrics: dict[str, Any], name: str) -> str:
    """Write a metric with its interval, "0.757 (0.69–0.81)"; "(–)" where it has none, nothing where it was not asked.

    Args:
        metrics: of a split, or of a class in it.
        name: key of the metric; its interval is under <name>_interval.
    """
    value = metrics.get(name)
    text = format_score(value) if name not in _UNBOUNDED or value is None else _signed(value, 3)
    if value is None or f"{name}_interval" not in metrics:
        return text
    return f"{text} ({_format_interval(metrics[f'{name}_interval'], name in _UNBOUNDED)})"


def _format_interval(bounds: list[float] | None, unbounded: bool) -> str:
    if bounds is None:
        return "–"
    low, high = bounds
    hidden = not unbounded and (0 < low < 0.005 or 0.995 <= high < 1)  # what two decimals would round to a certainty
    decimals = 2 if high - low >= 0.05 and not hidden else 3
    smallest = 10.0**-decimals
    texts = [_signed(low, decimals), _signed(high, decimals)]
    if not unbounded:  # as for the values: never certain by rounding
        if texts[1] == _signed(1, decimals) and high < 1:
            texts[1] = f">{1 - smallest:.{decimals}f}"
        if texts[0] == _signed(0, decimals) and low > 0:
            texts[0] = f"<{smallest:.{decimals}f}"
    return (" to " if low < 0 or texts[1].startswith(">") else "–").join(texts)


def _signed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}".replace("-", "−")
    return text.removeprefix("−") if not text.strip("−0.") else text
