"""Write a run's best weights as .safetensors; ResNets under torchvision's names.

python -m medjax.export --workdir=RUN [--output=FILE.safetensors]
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from medjax import terminal
from medjax.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a run.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write. Default: weights.safetensors in the run's folder.")


def main(_: Sequence[str]) -> None:
    """Export the best checkpoint of a run."""
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: give the folder of a run.")
    workdir = pathlib.Path(_WORKDIR.value)
    output = pathlib.Path(_OUTPUT.value or workdir / "weights.safetensors")

    from medjax.inference.export import export_weights  # jax takes seconds to import; a typo should not

    count = export_weights(workdir, output)
    print(f"{count:,} tensors of {workdir} written to {output}")


if __name__ == "__main__":
    terminal.run(main)
