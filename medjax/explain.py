"""Show where in images a finished run's answers come from. Research use, not a medical device.

python -m medjax.explain --workdir=RUN PATH … [--method=gradcam|integrated_gradients|occlusion] [--layer=NAME]
    [--class=NAME] [--sanity] [--output=FOLDER]

A PATH is a PNG, JPEG, BMP, TIFF or DICOM file, or a folder of such. The pictures are numbered in the order of the
images: 0001.png, 0002.png, …
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from medjax import memory, terminal
from medjax.counted import counted
from medjax.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of a finished run.")
_METHOD = flags.DEFINE_string("method", "gradcam", "gradcam, integrated_gradients or occlusion.")
_LAYER = flags.DEFINE_string("layer", "", "Of Grad-CAM; a wrong name lists those there are. Default: the deepest fit.")
_CLASS = flags.DEFINE_string("class", "", "The class to explain. Default: the predicted one of each image.")
_SANITY = flags.DEFINE_bool("sanity", False, "Check that the maps depend on the weights, on the first images.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the pictures. Default: explanations in the run's folder.")


def main(arguments: Sequence[str]) -> None:
    """Write a picture of every image, and the numbers behind them."""
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: give the folder of a run.")
    if not arguments[1:]:
        raise UserError("no images: name files or folders after the options.")
    workdir = pathlib.Path(_WORKDIR.value)
    output = pathlib.Path(_OUTPUT.value or workdir / "explanations")
    memory.keep_freed_memory()

    from medjax.inference.explanation import explain_files  # jax takes seconds to import; a typo should not

    content = explain_files(
        arguments[1:],
        workdir,
        output,
        method=_METHOD.value,
        layer=_LAYER.value,
        class_name=_CLASS.value,
        sanity=_SANITY.value,
    )
    print(f"{output}: {counted(len(content['images']), 'image')} explained. Research use, not a medical device.")
    if "sanity" in content:
        print(content["sanity"])


if __name__ == "__main__":
    terminal.run(main, paths=True)
