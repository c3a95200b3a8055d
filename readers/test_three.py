"""three.js plays our GLB and FBX in a browser: vertices at a time, and a picture of it."""

import functools
import html
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import browse
from conftest import FPS, FRAMES, posed_vertices
from PIL import Image
from scipy.spatial import cKDTree

from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

FRAME = 20
FILES = [(".glb", "plain"), (".glb", "sparse"), (".glb", "quantised"), (".fbx", "plain")]
PICTURE = Path(os.environ.get("ADAMESH_READERS", ".")) / "three.png"  # kept, to be looked at


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module", params=FILES, ids=" ".join)
def site(
    request: pytest.FixtureRequest,
    exported: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).parent / "three_view.html", folder / "index.html")
    file = Path(shutil.copy(exported(*request.param), folder)).name
    (folder / "node_modules").symlink_to(Path(os.environ["ADAMESH_READERS"]) / "node_modules")
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.html?file={file}&time={FRAME / FPS}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(site: str) -> dict[str, Any]:
    found = re.search(r'<pre id="result">(.*?)</pre>', browse("--dump-dom", site), re.DOTALL)
    assert found is not None
    result = json.loads(html.unescape(found[1]))
    assert "error" not in result, result
    return result


def test_vertices(page: dict[str, Any], clip: MotionClip) -> None:
    """Those that lie at one of ours in the first frame are within 0.02 mm of it at another frame's time."""
    start, posed = (np.array(page[name]).reshape(-1, 3) for name in ("start", "posed"))
    ours = posed_vertices(clip)
    places = cKDTree(ours[0]).query_ball_point(start, r=2e-5)
    pairs = zip(places, posed, strict=True)
    error = [np.linalg.norm(ours[FRAME, i] - p, axis=1).min() for i, p in pairs]
    assert len(error) > 1000
    assert max(error) < 2e-5
    assert page["unit"] in (None, 100)  # FBX says that a unit is 100 cm


def test_names_and_length(page: dict[str, Any]) -> None:
    assert set(page["names"]) == set(ARKIT52)
    assert page["duration"] == pytest.approx((FRAMES - 1) / FPS, abs=1e-3)


def test_picture(site: str) -> None:
    browse(f"--screenshot={PICTURE}", site)
    picture = np.asarray(Image.open(PICTURE).convert("RGB")).astype(int)
    middle, corner = picture[200:320, 200:320], picture[:20, :20]
    assert np.abs(corner - [0xDD, 0xE0, 0xE4]).max() < 8
    # A head stands there: skin, which is redder than blue.
    assert (middle[..., 0] - middle[..., 2] > 20).mean() > 0.5
