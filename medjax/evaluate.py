"""Judge saved predictions again, without a model: those of a run, or a CSV that any tool wrote.

python -m medjax.evaluate --workdir=RUN
python -m medjax.evaluate --workdir=RUN --data=PATH [--name=NAME] [--training-data=PATH] [--cache=FOLDER]
    [--no-images]
python -m medjax.evaluate --runs=A,B,C --workdir=FOLDER
python -m medjax.evaluate --predictions=FILE.csv [--ordered] [--primary=METRIC] [--subgroups=COLUMN,COLUMN]
    [--prevalence=SHARE,SHARE] [--output=FILE.json]

With --data the run is judged on an external test set, without the images that it has seen; the result is in
RUN/external-NAME. With --runs an ensemble is judged on the test split of its members; FOLDER is its own.

The CSV has the columns image_id, group_id (may be empty), label, and prob_<class> for every class. What a run fixed in
its config cannot be chosen again, so --workdir takes none of the other flags.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from medjax import terminal
from medjax.errors import UserError
from medjax.evaluation.settings import Settings

_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a finished run; its evaluation.json is written again.")
_PREDICTIONS = flags.DEFINE_string("predictions", None, "A prediction table.")
_RUNS = flags.DEFINE_list("runs", None, "Folders of finished runs, judged as an ensemble; its folder is --workdir.")
_DATA = flags.DEFINE_string("data", None, "External images: folder of classes, .zip or table.")
_NAME = flags.DEFINE_string("name", "", "Of the external test set.")
_TRAINING = flags.DEFINE_string("training-data", None, "Where the run's own images are, if not in the cache.")
_CACHE = flags.DEFINE_string("cache", "data/cache", "Folder of decoded images.")
_NO_IMAGES = flags.DEFINE_bool("no-images", False, "Write the report and the audit of --data without pictures.")
_ORDERED = flags.DEFINE_bool("ordered", False, "The classes of the table are degrees, lowest first.")
_PRIMARY = flags.DEFINE_string("primary", None, "The metric that leads the table; accuracy.")
_SUBGROUPS = flags.DEFINE_list("subgroups", None, "Columns by whose values the figures are given too.")
_PREVALENCE = flags.DEFINE_list(
    "prevalence", None, "Share of each class, in the order of the columns, for PPV and NPV."
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the figures of --predictions.")


def main(_: Sequence[str]) -> None:
    """Print the table of results, and write the figures where asked."""
    if (_RUNS.value or _DATA.value) and not _WORKDIR.value:
        what = "the folder of the ensemble, which is made" if _RUNS.value else "the run to judge"
        raise UserError(f"--{'runs' if _RUNS.value else 'data'} needs --workdir=FOLDER, {what}.")
    if bool(_WORKDIR.value) == bool(_PREDICTIONS.value):
        raise UserError("give either --workdir=RUN or --predictions=FILE.csv.")
    if _WORKDIR.value:
        _refuse((_PRIMARY, _SUBGROUPS, _PREVALENCE, _OUTPUT, _ORDERED), "--predictions: a run has its own config")
    if not _DATA.value:
        _refuse((_NAME, _TRAINING, _NO_IMAGES), "--data")

    from medjax.evaluation.damage import damage_as_error
    from medjax.evaluation.saved import evaluate_csv, evaluate_run  # slow to import; a typo should not be
    from medjax.evaluation.summary import summary_table
    from medjax.json_file import write_json

    if _RUNS.value or _DATA.value:
        _judge_elsewhere()
        return
    if _PREDICTIONS.value:
        evaluation = evaluate_csv(pathlib.Path(_PREDICTIONS.value), ordered=_ORDERED.value, settings=_settings())
        print(summary_table(evaluation))
        if _OUTPUT.value:
            write_json(pathlib.Path(_OUTPUT.value), evaluation)
        return
    workdir = pathlib.Path(str(_WORKDIR.value))
    evaluation, same = evaluate_run(workdir)
    with damage_as_error(workdir):
        table = summary_table(evaluation)
    write_json(workdir / "evaluation.json", evaluation)
    print(table)
    print(f"{workdir / 'evaluation.json'}: {'reproduced' if same else 'held other figures and is written anew'}")


def _refuse(options: Sequence[flags.FlagHolder[Any]], where: str) -> None:
    """Raise UserError where one of some options is given that belong elsewhere."""
    for option in options:
        if option.value:
            raise UserError(f"--{option.name} goes with {where}.")


def _judge_elsewhere() -> None:
    """Judge an ensemble, or a run on external images."""
    from medjax.evaluation.summary import summary_table

    if _RUNS.value and _DATA.value:
        raise UserError("--runs and --data do not go together.")
    folder = pathlib.Path(str(_WORKDIR.value))
    if _RUNS.value:
        from medjax.evaluation.ensemble import evaluate_ensemble

        evaluation = evaluate_ensemble([pathlib.Path(run) for run in _RUNS.value], folder)
    else:
        from medjax.external import evaluate_external  # jax takes seconds to import

        training = pathlib.Path(_TRAINING.value) if _TRAINING.value else None
        evaluation, folder = evaluate_external(
            folder,
            pathlib.Path(str(_DATA.value)),
            name=_NAME.value,
            training_data=training,
            cache=pathlib.Path(_CACHE.value),
            images=not _NO_IMAGES.value,
        )
    print(summary_table(evaluation))
    print(f"report: {folder / 'report.html'}")


def _settings() -> Settings:
    """Return what the flags say; the rest has its default."""
    given: dict[str, Any] = {"primary": _PRIMARY.value, "subgroups": _SUBGROUPS.value}
    try:
        given["prevalence"] = [float(share) for share in _PREVALENCE.value or ()]
    except ValueError as error:
        raise UserError(f"--prevalence={','.join(_PREVALENCE.value or ())}: give numbers, such as 0.9,0.1.") from error
    return Settings.of({name: value for name, value in given.items() if value})


if __name__ == "__main__":
    terminal.run(main)
