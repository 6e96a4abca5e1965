"""Explanations of image files by a finished run: a picture of each, and a file of the numbers."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medjax.errors import UserError
from medjax.evaluation import saliency_figures
from medjax.evaluation.samples import shown_pixels
from medjax.inference import randomization, saliency
from medjax.inference.feature_maps import check_layer, default_layer, feature_maps
from medjax.inference.files import ImageFiles, read_images
from medjax.inference.finished_run import FinishedRun, open_finished_run
from medjax.inference.prediction_file import check_columns
from medjax.inference.predictor import Predictor
from medjax.json_file import write_json
from medjax.pipeline.feed import Batch, bare_batch
from medjax.pipeline.storage import disk_errors, write_bytes
from medjax.terminal import log, mark_demo

METHODS = ("gradcam", "integrated_gradients", "occlusion")

_AT_ONCE = 8  # images whose gradients are in memory together
_STEPS = 64  # of integrated gradients
_NAMES = {"gradcam": "Grad-CAM", "integrated_gradients": "Integrated gradients", "occlusion": "Occlusion"}
_UNITS = {
    "gradcam": "weighted activation",
    "integrated_gradients": "share of the change of the logit",
    "occlusion": "mean fall of the logit",
}


def explain_files(
    paths: Sequence[str],
    workdir: Path,
    output: Path,
    *,
    method: str,
    layer: str = "",
    class_name: str = "",
    sanity: bool = False,
) -> dict[str, Any]:
    """Write 0001.png, 0002.png, … for the images in their order, and explanations.json.

    The files' names stay out of what is written, since they may identify a patient.

    Args:
      paths: files and folders; see files.py.
      workdir: of a finished run.
      output: folder, made when missing.
      method: one of METHODS.
      layer: of Grad-CAM, see `feature_maps`; "" is the default one.
      class_name: to explain; "" is the predicted one of each image.
      sanity: write sanity.png and sanity.json too, of the first images, eight at most; see `randomization.py`.

    Returns:
      What explanations.json holds.

    Raises:
      UserError: a run, a path, the method, the layer, the class or the output is wrong.
    """
    if method not in METHODS:
        raise UserError(f"--method={method} does not exist; choose from {', '.join(METHODS)}.")
    if layer and method != "gradcam":
        raise UserError(f"--layer={layer} is for --method=gradcam alone: {method} looks at the whole network.")
    run = open_finished_run(workdir)
    mark_demo(run.synthetic)
    if class_name and class_name not in run.class_names:
        raise UserError(f"--class={class_name} is no class of the run; choose from {', '.join(run.class_names)}.")
    layer = _chosen_layer(run, layer) if method == "gradcam" else ""
    check_columns([run])
    images = read_images(paths, run)
    content: dict[str, Any] = {"demo": run.synthetic, "method": method, "layer": layer or None, "images": []}
    explainer, predictor = Explainer(run, method, layer), Predictor([run])
    for part in _batches(images):
        pixels = np.stack(list(part.values()))
        chosen = (
            [run.class_names.index(class_name)] * len(pixels) if class_name else predictor(list(pixels)).argmax(axis=1)
        )
        classes = np.array(chosen)
        heat, scores = explainer(run.variables, pixels, classes)
        with disk_errors(output):  # here and not before: what fails leaves no empty folder
            output.mkdir(parents=True, exist_ok=True)
        if sanity and "sanity" not in content:
            content["sanity"] = _check_sanity(explainer, run, pixels, classes, output)
        for i, number in enumerate(part):
            row = {"file": f"{number:04d}.png", "class": run.class_names[classes[i]], **scores[i]}
            content["images"].append(row)
            _draw(output / row["file"], pixels[i], heat[i], row, content)
    if not content["images"]:
        raise UserError("none of the images could be used; the reasons stand above.")
    write_json(output / "explanations.json", content)
    return content


class Explainer:
    """A method, ready to be asked; compiled when it is first used."""

    def __init__(self, run: FinishedRun, method: str, layer: str):
        self._run = run
        self._explain = jax.jit(functools.partial(_explain, run, method, layer))

    def __call__(self, variables: Any, pixels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, list[dict]]:
        """Explain classes int [B] of images [B, H, W, C], B at most _AT_ONCE.

        Returns:
          Maps float32 [B, h, w], and of each image "score", "black_score" (of a black image) and "sum" of the map.
        """
        missing = _AT_ONCE - len(pixels)
        whole = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
        heat, scores, black = self._explain(variables, bare_batch(whole), jnp.asarray(np.pad(classes, (0, missing))))
        heat = np.asarray(heat)[: len(pixels)]
        numbers = [
            {"score": float(scores[i]), "black_score": float(black[i]), "sum": float(heat[i].sum(dtype=np.float64))}
            for i in range(len(pixels))
        ]
        return heat, numbers


def _explain(run: FinishedRun, method: str, layer: str, variables: Any, batch: Batch, targets: jax.Array):
    """Maps [B, h, w], the scores [B], and those of black images with the same planes [B]."""
    x, black = run.inputs(batch), run.inputs(batch._replace(rows=jnp.zeros_like(batch.rows)))
    ask = functools.partial(saliency.class_score, run.model, variables, targets=targets)
    if method == "gradcam":
        heat = saliency.grad_cam(run.model, variables, x, targets, layer)
    elif method == "integrated_gradients":
        heat = saliency.integrated_gradients(run.model, variables, x, targets, black, _STEPS)
    else:
        patch = max(1, min(x.shape[1:3]) // 8)
        heat = saliency.occlusion(run.model, variables, x, targets, black, patch, max(1, patch // 2))
    return heat, ask(x=x), ask(x=black)


def _chosen_layer(run: FinishedRun, layer: str) -> str:
    size = run.preprocessing["image_size"]
    x = jax.ShapeDtypeStruct((1, size, size, run.inputs.channels), run.inputs.dtype)
    maps = feature_maps(run.model, run.variables, x)
    if layer:
        check_layer(maps, layer)
    return layer or default_layer(maps)


def _batches(images: ImageFiles) -> Iterator[dict[int, np.ndarray]]:
    """Yield up to _AT_ONCE images [H, W, C] by their number; what cannot be used is said, and keeps its number."""
    part: dict[int, np.ndarray] = {}
    for number, (name, image) in enumerate(images, start=1):
        if isinstance(image, str):
            log.warning(f"image {number}, {name}, could not be used: {image}")
            continue
        part[number] = image
        if len(part) == _AT_ONCE:
            yield part
            part = {}
    if part:
        yield part


def _check_sanity(explainer: Explainer, run: FinishedRun, pixels: np.ndarray, classes: np.ndarray, output: Path) -> str:
    x = run.inputs(bare_batch(pixels[:1]))
    key = jax.random.fold_in(jax.random.key(run.config.seed), 1)  # not the key that the run itself began with
    found = randomization.check(
        lambda variables: explainer(variables, pixels, classes)[0], run.model, run.variables, x, key
    )
    figure = saliency_figures.randomization_figure(found["maps"][:, 0], found["stages"], demo=run.synthetic)
    write_bytes(output / "sanity.png", saliency_figures.to_png(figure))
    kept = {"demo": run.synthetic, "images": len(pixels), "stages": found["stages"], "verdict": found["verdict"]}
    write_json(output / "sanity.json", kept)
    return found["verdict"]


def _draw(file: Path, image: np.ndarray, heat: np.ndarray, row: dict[str, Any], content: dict[str, Any]) -> None:
    method, where = content["method"], f" at {content['layer']}" if content["layer"] else ""
    title = f"{_NAMES[method]}{where}, for {row['class']} (score {row['score']:.3g})"
    full = np.asarray(saliency.resized(jnp.asarray(heat[None]), image.shape[:2]))[0]
    shown = shown_pixels(image)
    figure = saliency_figures.explanation_figure(shown, full, title, _UNITS[method], demo=content["demo"])
    write_bytes(file, saliency_figures.to_png(figure))
