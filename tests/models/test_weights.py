import hashlib
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models import safetensors, weights

CONTENT = b"weights " * 1000
NAME = f"net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /good/NAME with CONTENT, /short with too little of it, /other with something else, and 404 otherwise."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        body = {"good": CONTENT, "short": CONTENT, "other": CONTENT[:-1] + b"!"}.get(kind)
        self.server.requests.append(self.path)  # before the answer, which the client may not outlive
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write((body or b"")[: 100 if kind == "short" else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def base_url(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(autouse=True)
def own_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setitem(weights.FILES, "net", {"IMAGENET1K_V1": NAME})


def test_download_appears_whole_under_its_name(base_url, tmp_path, capsys):
    found = weights.find_weights("imagenet", "net", base_url=f"{base_url}/good")
    assert found == tmp_path / "cache" / NAME
    assert found.read_bytes() == CONTENT
    assert list(found.parent.iterdir()) == [found]
    assert NAME in capsys.readouterr().err  # the progress bar


def test_progress_bar_can_be_off(base_url, capsys):
    weights.find_weights("imagenet", "net", base_url=f"{base_url}/good", progress=False)
    assert capsys.readouterr().err == ""


def test_second_search_needs_no_network(server, base_url):
    for _ in range(2):
        weights.find_weights("IMAGENET1K_V1", "net", base_url=f"{base_url}/good", progress=False)
    assert len(server.requests) == 1


def test_damaged_file_in_the_cache_is_fetched_again(base_url, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / NAME).write_bytes(CONTENT[:50])
    found = weights.find_weights("imagenet", "net", base_url=f"{base_url}/good", progress=False)
    assert found.read_bytes() == CONTENT


def test_cache_of_torch_hub_is_used(tmp_path):
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(CONTENT)
    assert weights.find_weights("imagenet", "net", base_url="http://127.0.0.1:9/unused") == folder / NAME


@pytest.mark.parametrize(
    ("folder", "message"), [("other", "SHA-256"), ("short", "could not be downloaded"), ("missing", "404")]
)
def test_failed_download_leaves_nothing(base_url, tmp_path, folder, message):
    with pytest.raises(UserError, match=message):
        weights.find_weights("imagenet", "net", base_url=f"{base_url}/{folder}", progress=False)
    assert list((tmp_path / "cache").iterdir()) == []


def test_interrupt_leaves_nothing(base_url, tmp_path, monkeypatch):
    def interrupt(bar, count):
        raise KeyboardInterrupt

    monkeypatch.setattr(weights.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        weights.find_weights("imagenet", "net", base_url=f"{base_url}/good", progress=False)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError) as error:
        weights.find_weights("imagenet", "resnet50", base_url="http://127.0.0.1:9", progress=False)
    message = str(error.value)
    assert "\n" not in message
    for part in ("http://127.0.0.1:9/resnet50-11ad3fa6.pth", str(tmp_path / "cache"), "weights=PATH", "weights=none"):
        assert part in message


def test_a_path_is_taken_as_it_is(tmp_path):
    file = tmp_path / "mine.pth"
    file.write_bytes(b"x")
    assert weights.find_weights(str(file), "brain_cnn") == file


@pytest.mark.parametrize(
    ("name", "arch", "message"),
    [
        ("nowhere.pth", "resnet50", "'nowhere.pth' is neither a file nor imagenet"),
        (".", "resnet50", "neither a file"),
        ("IMAGENET1K_V2", "resnet18", "resnet18 has the versions IMAGENET1K_V1, not IMAGENET1K_V2"),
        ("imagenet", "brain_cnn", "no ImageNet weights for 'brain_cnn', only for resnet18"),
    ],
)
def test_impossible_request_is_named(name, arch, message):
    with pytest.raises(UserError, match=message):
        weights.find_weights(name, arch)


@pytest.mark.parametrize(
    ("arch", "file"), [("resnet18", "resnet18-f37072fd.pth"), ("resnet152", "resnet152-f82ba261.pth")]
)
def test_imagenet_is_the_newest_version(monkeypatch, arch, file):
    monkeypatch.setattr(weights, "download", lambda url, folder, progress: url)
    assert weights.find_weights("imagenet", arch) == f"https://download.pytorch.org/models/{file}"


def test_default_cache_lies_in_the_home_folder(monkeypatch):
    monkeypatch.delenv("MEDJAX_CACHE")
    assert weights.default_cache_dir() == Path.home() / ".cache" / "medjax"


def test_unwritable_cache_is_a_user_error(base_url, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    with pytest.raises(UserError, match="could not be downloaded"):
        weights.find_weights("imagenet", "net", base_url=f"{base_url}/good", progress=False)


def test_safetensors_are_read_whatever_the_suffix(tmp_path):
    safetensors.write(tmp_path / "w.pth", {"w": np.ones(2, np.float32)})
    assert weights.read_state_dict(tmp_path / "w.pth")["w"].tolist() == [1, 1]


def test_error_names_the_file(tmp_path):
    file = tmp_path / "w.pth"
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match=r"w\.pth: the file is a Git LFS pointer"):
        weights.read_state_dict(file)


def test_unreadable_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        weights.read_state_dict(tmp_path / "w.pth")
    assert os.listdir(tmp_path) == []
