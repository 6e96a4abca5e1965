"""Say which files image ids stand for: on the terminal only, and only with the key that made them.

python -m medjax.which --path=FOLDER_OR_ZIP --ids=image-0123456789abcdef,…
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from medjax import terminal
from medjax.datasets.pseudonyms import Pseudonyms, load_key, original_names
from medjax.datasets.source import open_source
from medjax.errors import UserError

_PATH = flags.DEFINE_string("path", None, "The folder, .zip or manifest that the images were read from.")
_IDS = flags.DEFINE_list("ids", [], "The image ids, with commas between them.")


def main(_: Sequence[str]) -> None:
    """Print a line an id: the id and its file; exit with 2 if one is unknown."""
    if not _PATH.value or not _IDS.value:
        raise UserError("give --path=FOLDER_OR_ZIP and --ids=ID,ID,…")
    with open_source(pathlib.Path(_PATH.value).expanduser()) as source:
        found = original_names(source.files, _IDS.value, Pseudonyms(load_key()))
    for image_id in _IDS.value:
        if image_id in found:
            print(f"{image_id}  {found[image_id]}".encode("utf-8", "backslashreplace").decode())
    unknown = [image_id for image_id in _IDS.value if image_id not in found]
    if unknown:
        raise UserError(
            f"no file of {_PATH.value} has the id {', '.join(unknown)}; the images were read from elsewhere, or "
            "MEDJAX_KEY is not the key of that time"
        )


if __name__ == "__main__":
    terminal.run(main)
