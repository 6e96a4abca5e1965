"""Compare finished runs on the same test images; runs that differ in their seed alone are one recipe.

python -m medjax.compare RUN RUN … [--primary=METRIC] [--output=FOLDER]
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from medjax import terminal
from medjax.errors import UserError

_PRIMARY = flags.DEFINE_string("primary", None, "The metric that is tested. Default: that of the runs' config.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for comparison.html, .md and .csv.")


def main(argv: Sequence[str]) -> None:
    """Print the table, what can be said of each pair, and what was beaten of the baselines; write them where asked."""
    folders = [pathlib.Path(name) for name in argv[1:]]
    if len(folders) < 2:
        raise UserError("give the folders of at least two finished runs: python -m medjax.compare RUN RUN …")

    from medjax.evaluation.compared_runs import read_run, recipes
    from medjax.evaluation.comparison import compare  # slow to import; a typo should not be
    from medjax.evaluation.comparison_page import write_comparison
    from medjax.evaluation.comparison_table import as_text

    comparison = compare(recipes([read_run(folder) for folder in folders]), _PRIMARY.value)
    print(as_text(comparison))
    if _OUTPUT.value:
        output = pathlib.Path(_OUTPUT.value)
        write_comparison(output, comparison)
        print(f"comparison: {output / 'comparison.html'}")


if __name__ == "__main__":
    terminal.run(main, paths=True)
