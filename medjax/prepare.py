"""Build, cache, audit and split the images of an experiment, and say what was found; `main` does the same by itself.

python -m medjax.prepare --config=configs/X.py [--workdir=RUN] [--preview] [--no-images] [--config.FIELD=VALUE …]
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags
from ml_collections import ConfigDict

from medjax import command_line, terminal
from medjax import config as configuration
from medjax.errors import UserError

if TYPE_CHECKING:
    from medjax.preparation import Prepared

_PREVIEWED, _VIEWS = 8, 6  # images, and augmented views of each
_PREVIEW = flags.DEFINE_bool("preview", False, "Also write preview.png: training images as augmented.")


def main(_: Sequence[str]) -> None:
    """Prepare the images and print a summary."""
    config, workdir, images = command_line.read_run()
    if _PREVIEW.value and not images:
        raise UserError("--preview writes pictures and --no-images forbids them: drop one of the two.")

    # slow to import; a typo should not be
    from medjax.evaluation.audit_summary import audit_summary
    from medjax.preparation import each_fold, prepare
    from medjax.run_folder import open_run
    from medjax.run_lock import held

    terminal.mark_demo(config.data.name == "phantom")
    with held(workdir):
        open_run(workdir, configuration.settings(config))
        for one, folder in each_fold(config, workdir):
            if one is not config:
                print(f"fold {one.fold + 1} of {config.folds}")
                open_run(folder, configuration.settings(one))
            prepared = prepare(one, folder, images=images)
            print(audit_summary(prepared.audit))
            print(f"audit: {folder / 'audit.html'}")
            if _PREVIEW.value:
                print(f"preview: {_write_preview(one, prepared, folder)}")


def _write_preview(config: ConfigDict, prepared: Prepared, workdir: pathlib.Path) -> pathlib.Path:
    """Draw a few training images, the classes in turn, as the network will see them."""
    from medjax.evaluation.preview import write_preview
    from medjax.pipeline.augment import Augmentation
    from medjax.pipeline.partition import in_turn

    table, file = prepared.table, workdir / "preview.png"
    rows = in_turn(table.labels, prepared.splits["train"], _PREVIEWED)
    names = [table.class_names[label] for label in table.labels[rows]]
    augmentation = Augmentation(**config.augment)
    write_preview(file, table.images[rows], names, augmentation, seed=config.seed, views=_VIEWS, demo=table.synthetic)
    return file


if __name__ == "__main__":
    terminal.run(main, resumes=True)
