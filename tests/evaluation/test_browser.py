"""The report in a real browser, without a window: at the width of a desk and of a telephone."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from medjax.evaluation.report import write_report
from tests.evaluation.test_report import make_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOOK = """<script>
window.onerror = (message) => { document.body.dataset.error = message; };
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter((node) =>
    !node.closest(".scroll table") && node.getBoundingClientRect().right > innerWidth + 0.5);
  const found = {
    width: innerWidth,
    page: document.documentElement.scrollWidth,
    images: document.images.length,
    broken: [...document.images].filter((image) => !image.complete || !image.naturalWidth).map((i) => i.alt),
    empty: [...document.images].filter((image) => image.getBoundingClientRect().width < 20).map((i) => i.alt),
    tables: [...document.querySelectorAll("table")].filter((t) => t.rows.length > 1 && t.offsetHeight > 20).length,
    scrolled: [...document.querySelectorAll(".scroll")].filter((s) => getComputedStyle(s).overflowX !== "auto").length,
    cut: [...document.querySelectorAll(".scroll")].filter((s) => s.scrollWidth > s.clientWidth + 1)
      .map((s) => s.innerText.slice(0, 60)),
    wide: wide.map((node) => node.outerHTML.slice(0, 120)),
    error: document.body.dataset.error || "",
  };
  const out = document.createElement("output");
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script>"""
CONSOLE = re.compile(r"^.*\bCONSOLE\b.*$", re.MULTILINE)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two copies of a page, of a wide and a narrow window, that look at themselves: browsers have a least width."""
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed")
    folder = tmp_path_factory.mktemp("run")
    predictions = make_run(folder, demo=True, names=("a_class_with_a_name_that_goes_on_and_on_" + "x" * 40, "b"))
    pictures = {image_id: np.zeros((8, 8, 1), np.uint8) for image_id in predictions.image_ids}
    heat = dict.fromkeys(predictions.image_ids, np.ones((2, 2), np.float32))
    source = write_report(folder, pictures, heat).read_text()
    return folder, source


def look(folder, source, width):
    """Open a copy of a page in a frame of a width; return what it found in itself, and the browser's complaints."""
    watching = source.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    watching = watching.replace("</body>", f"{LOOK}</body>")
    (folder / "frame.html").write_text(
        f'<!DOCTYPE html><body><iframe width="{width}" height="900" style="border: 0" '
        f'srcdoc="{html.escape(watching)}"></iframe><script>addEventListener("load", () => '
        '{ document.body.dataset.found = frames[0].document.querySelector("output").textContent; });</script></body>'
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--v=0", "--timeout=60000"]
    command += ["--window-size=1400,1000", "--dump-dom", (folder / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, f"the page said nothing: {done.stderr[-2000:]}"
    return json.loads(html.unescape(found[1])), CONSOLE.findall(done.stderr)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_is_whole_and_fits(pages, width):
    folder, source = pages
    found, complaints = look(folder, source, width)
    assert complaints == []
    assert found["error"] == ""
    assert found["width"] == width
    assert found["images"] == source.count("<img") == 7 + 1 + 8
    assert found["broken"] == found["empty"] == []
    assert found["tables"] == source.count("<table") >= 6
    assert found["scrolled"] == 0
    assert found["page"] <= width
    assert found["wide"] == []
    assert width < 1280 or found["cut"] == []


def test_a_broken_page_would_be_noticed(pages):
    folder, source = pages
    bad = source.replace(
        "</main>", '<img src="data:image/png;base64,AAAA" alt="x"><div style="width:2000px">x</div></main>'
    )
    bad = bad.replace("</body>", "<script>console.error('a complaint')</script></body>")
    found, complaints = look(folder, bad, 390)
    assert found["broken"] == ["x"]
    assert found["wide"]
    assert found["page"] > 390
    assert len(complaints) == 1
