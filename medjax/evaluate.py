"""Judge saved predictions again, without a model: those of a run, or a CSV that any tool wrote.

python -m medjax.evaluate --workdir=RUN
python -m medjax.evaluate --predictions=FILE.csv [--ordered] [--output=FILE.json]

The CSV has the columns image_id, group_id (may be empty), label, and prob_<class> for every class.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from medjax import terminal
from medjax.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a finished run; its evaluation.json is written again.")
_PREDICTIONS = flags.DEFINE_string("predictions", None, "A prediction table.")
_ORDERED = flags.DEFINE_bool("ordered", False, "The classes of the table are degrees, lowest first.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the figures of --predictions.")


def main(_: Sequence[str]) -> None:
    """Print the table of results, and write the figures where asked."""
    if bool(_WORKDIR.value) == bool(_PREDICTIONS.value):
        raise UserError("give either --workdir=RUN or --predictions=FILE.csv.")

    from medjax.evaluation.saved import evaluate_csv, evaluate_run  # slow to import; a typo should not be
    from medjax.evaluation.summary import summary_table
    from medjax.run_folder import write_json

    if _PREDICTIONS.value:
        evaluation = evaluate_csv(pathlib.Path(_PREDICTIONS.value), ordered=_ORDERED.value)
        print(summary_table(evaluation))
        if _OUTPUT.value:
            write_json(pathlib.Path(_OUTPUT.value), evaluation)
        return
    workdir = pathlib.Path(str(_WORKDIR.value))
    evaluation, same = evaluate_run(workdir)
    write_json(workdir / "evaluation.json", evaluation)
    print(summary_table(evaluation))
    print(f"{workdir / 'evaluation.json'}: {'reproduced' if same else 'held other figures and is written anew'}")


if __name__ == "__main__":
    terminal.run(main)
