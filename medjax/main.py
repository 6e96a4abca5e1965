"""Train, validate, test and report one experiment.

python -m medjax.main --config=configs/resnet50_brain.py [--workdir=RUN] [--no-images] [--config.FIELD=VALUE …]
"""

from collections.abc import Sequence

from medjax import command_line, memory, terminal


def main(_: Sequence[str]) -> None:
    """Check the config before anything heavy is imported, then run the experiment, or all of its folds."""
    config, workdir, images = command_line.read_run()
    memory.keep_freed_memory()
    command_line.join_processes()

    # jax takes seconds to import; a typo should not
    from medjax.compilation import keep_compiled

    keep_compiled()
    if config.folds and config.fold < 0:
        from medjax.cross_validation import cross_validate

        cross_validate(config, workdir, images=images)
    else:
        from medjax.train import train_and_evaluate

        train_and_evaluate(config, workdir, images=images)


if __name__ == "__main__":
    terminal.run(main, resumes=True)
