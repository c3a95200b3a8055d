"""three.js plays our GLB and FBX in a browser: vertices at a time, and a picture of it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import browse, result_of, served
from conftest import FPS, FRAMES, posed_vertices
from PIL import Image
from scipy.spatial import cKDTree

from adamesh.motion.clip import MotionClip
from adamesh.motion.spaces import ARKIT52

FRAME = 20
FILES = [(".glb", "plain"), (".glb", "sparse"), (".glb", "quantised"), (".fbx", "plain")]
READERS = Path(os.environ.get("ADAMESH_READERS", ".")).resolve()
MODULES = READERS / "node_modules"
PICTURE = READERS / "three.png"  # kept, to be looked at
EXAMPLE = Path(__file__).parents[1] / "docs" / "engines" / "talking.html"
# Put behind the example's page: a sound that is where we say, and what the page makes of it.
PROBE = """
<pre id="result">nothing yet</pre>
<script type="module">
import { AnimationMixer } from "three";
let now = 0;
Object.defineProperty(HTMLMediaElement.prototype, "currentTime", { get: () => now });
const setTime = AnimationMixer.prototype.setTime;
const seen = [];
AnimationMixer.prototype.setTime = function (time) {
  setTime.call(this, time);
  const mesh = this.getRoot().getObjectByProperty("isSkinnedMesh", true);
  seen.push({ now, names: mesh.morphTargetDictionary, weights: [...mesh.morphTargetInfluences] });
  now = [0, 0.8, 0.4, 60][seen.length];
  if (seen.length === 4) document.getElementById("result").textContent = JSON.stringify({ seen });
  return this;
};
</script>
"""


@pytest.fixture(scope="module", params=FILES, ids=" ".join)
def site(
    request: pytest.FixtureRequest,
    exported: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).parent / "three_view.html", folder / "index.html")
    file = Path(shutil.copy(exported(*request.param), folder)).name
    (folder / "node_modules").symlink_to(MODULES)
    with served(folder) as address:
        yield f"{address}/index.html?file={file}&time={FRAME / FPS}"


@pytest.fixture(scope="module")
def page(site: str) -> dict[str, Any]:
    return result_of(site)


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


def test_example_follows_its_sound(
    exported: Callable[..., Path], clip: MotionClip, tmp_path: Path
) -> None:
    """To and fro, and after the animation's end it holds the last frame."""
    shutil.copy(exported(".glb", "plain"), tmp_path / "talking.glb")
    page = EXAMPLE.read_text(encoding="utf-8") + PROBE
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(MODULES)
    with served(tmp_path) as address:
        seen = result_of(f"{address}/index.html")["seen"]
    assert [moment["now"] for moment in seen] == [0, 0.8, 0.4, 60]
    for moment, frame in zip(seen, (0, 20, 10, FRAMES - 1), strict=True):
        ours = dict(zip(ARKIT52, clip.expression[frame], strict=True))
        theirs = {name: moment["weights"][i] for name, i in moment["names"].items()}
        assert theirs == pytest.approx(ours, abs=0.005 if frame == FRAMES - 1 else 1e-5)
