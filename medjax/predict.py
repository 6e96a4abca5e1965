"""Predict image files with a finished run, or with several as an ensemble. Research use, not a medical device.

python -m medjax.predict --workdir=RUN PATH … [--output=FILE.csv] [--overwrite]
python -m medjax.predict --runs=A,B,C PATH …

A PATH is a PNG, JPEG, BMP, TIFF or DICOM file, or a folder of such. The CSV has a row for every image, under its name
as it was given: names may identify patients, so treat the file as you treat the images. Ends with status 1 where an
image could not be used.
"""

import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from medjax import memory, terminal
from medjax.counted import counted
from medjax.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a finished run.")
_RUNS = flags.DEFINE_list("runs", [], "Folders of finished runs, whose mean is predicted.")
_OUTPUT = flags.DEFINE_string("output", "predictions.csv", "The CSV to write.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the CSV where it is there.")


def main(arguments: Sequence[str]) -> None:
    """Write the CSV, and print the first rows and a summary."""
    paths, workdirs = arguments[1:], [_WORKDIR.value] if _WORKDIR.value else _RUNS.value
    if bool(_WORKDIR.value) == bool(_RUNS.value):
        raise UserError("give either --workdir=RUN or --runs=A,B,C.")
    if not paths:
        raise UserError("no images: name files or folders after the options.")
    memory.keep_freed_memory()

    # jax takes seconds to import; a typo should not
    from medjax.inference.prediction_file import predict_files
    from medjax.inference.prediction_table import prediction_table

    output = pathlib.Path(_OUTPUT.value)
    summary = predict_files(paths, [pathlib.Path(run) for run in workdirs], output, overwrite=_OVERWRITE.value)
    print(prediction_table(summary))
    print(f"{output}: {counted(summary.counts.total(), 'row')}. Research use, not a medical device.")
    unused = summary.counts[""]
    if unused:
        print(f"{counted(unused, 'image')} could not be used: see the column reason in {output}.")
        sys.exit(1)


if __name__ == "__main__":
    terminal.run(main, paths=True)
