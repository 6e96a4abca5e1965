"""Build, cache, audit and split the images of an experiment, and say what was found; `main` does the same by itself.

python -m medjax.prepare --config=configs/X.py [--workdir=RUN] [--preview] [--no-images] [--config.FIELD=VALUE …]
"""

from collections.abc import Sequence

from absl import flags

from medjax import command_line, terminal
from medjax import config as configuration

_PREVIEW = flags.DEFINE_bool("preview", False, "Also write preview.png: training images as augmented.")


def main(_: Sequence[str]) -> None:
    """Prepare the images and print a summary."""
    config, workdir, images = command_line.read_run()

    # slow to import; a typo should not be
    from medjax.evaluation.audit_summary import audit_summary
    from medjax.preparation import prepare
    from medjax.run_folder import open_run

    terminal.mark_demo(config.data.name == "phantom")
    open_run(workdir, configuration.settings(config))
    prepared = prepare(config, workdir, images=images)
    print(audit_summary(prepared.audit))
    print(f"audit: {workdir / 'audit.html'}")


if __name__ == "__main__":
    terminal.run(main)
