"""Skins made of rendered people, whose colours are known, and their way into the exports."""

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from adamesh.cli import main
from adamesh.errors import InputError
from adamesh.evaluation.synthetic import silent_clip, synthetic_clip
from adamesh.export import FORMATS, OutputOptions, export, plan_export
from adamesh.faces import Face, load_embedded_face, save_face
from adamesh.faces.landmark_index import LEFT_EYE, RIGHT_EYE
from adamesh.media.color import LUMINANCE, from_lab, to_lab, to_linear, to_srgb
from adamesh.media.picture import png_bytes, write_png
from adamesh.media.video import read_frames
from adamesh.motion.clip import MotionClip
from adamesh.render import HeadRenderer
from adamesh.texture import load_texture, make_texture, with_eyes_of
from adamesh.texture.blend import extend, robust_mean
from adamesh.texture.eyes import paint_eyes
from adamesh.texture.iris import iris_color
from adamesh.texture.lighting import fit_light, light
from adamesh.texture.raster import depth_map, rasterise
from adamesh.texture.skin import CHROMA, HUE, skin_likelihood, white_balance
from adamesh.texture.texels import on
from adamesh.texture.views import Viewer
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.track import track_video

CHEEKS = 205, 425  # landmarks, right and left
FOREHEAD = 151
# Mostly from the subject's left.
FROM_THE_LEFT = (
    ((1.0, 0.2, 0.6), (1.0, 1.0, 1.0), 0.55),
    ((-1.0, 0.2, 0.4), (1.0, 1.0, 1.0), 0.15),
    ((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), 0.2),
)


def landmark(number: int) -> np.ndarray:
    face = load_embedded_face()
    return face.landmarks(face.template[None])[0, number].numpy()


def near(points: np.ndarray, place: np.ndarray, radius: float) -> np.ndarray:
    return np.linalg.norm(points - place, axis=1) < radius


IRISES = {  # sRGB
    "brown": np.array([80, 50, 35]) / 255,
    "blue": np.array([95, 120, 145]) / 255,
    "green": np.array([95, 115, 80]) / 255,
}


def with_irises(color: np.ndarray) -> tuple[Face, np.ndarray]:
    """The head with irises of a linear colour, and a picture of its eyeballs on skin."""
    face = load_embedded_face()
    picture = np.full((2048, 2048, 3), 180, np.uint8)
    pixels, srgb = paint_eyes(face, 2048, color)
    picture.reshape(-1, 3)[pixels] = np.rint(srgb * 255)
    return with_eyes_of(face, picture), picture


def iris_of(face: Face) -> np.ndarray:
    """[3] linear, the mean over the surface of both irises."""
    part = on(face, "iris")
    triangles = face.triangles.numpy()[part]
    a, b, c = face.template.double().numpy()[triangles].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    colors = to_linear(face.colors.double().numpy())[triangles].mean(axis=1)
    return np.average(colors, axis=0, weights=area)


class Person:
    """A brown skin with a red spot on the forehead, and brown eyes, filmed in light from one side."""

    def __init__(self, folder: Path) -> None:
        face = load_embedded_face()
        self.vertices = face.template.numpy()
        spot = np.exp(
            -0.5 * (np.linalg.norm(self.vertices - landmark(FOREHEAD), axis=1) / 0.01) ** 2
        )
        self.colors = face.colors.numpy() * [0.72, 0.66, 0.62]
        self.colors *= 1 - spot[:, None] * [0.0, 0.5, 0.5]
        eyes = face.regions["eyeballs"].numpy()
        self.colors[eyes] = with_irises(to_linear(IRISES["brown"]))[0].colors.numpy()[eyes]
        clip = synthetic_clip(face, seed=2, frames=40)
        clip = replace(
            clip, colors=self.colors, lights=FROM_THE_LEFT, exposure=0.9, noise=2.0, quality=18
        )
        self.video = folder / "person.mp4"
        clip.write(face, self.video)
        self.tracked = track_video(self.video)
        with pytest.MonkeyPatch.context() as patch:  # it would track once more, which takes seconds
            patch.setattr("adamesh.texture.make.track_video", lambda *_, **__: self.tracked)
            self.texture = make_texture(self.video)

    def at(self, image: np.ndarray) -> np.ndarray:
        """[V, ...] of an image in the UV map, at vertices of skin and lips; NaN elsewhere."""
        face = load_embedded_face()
        skin = np.isin(face.triangle_material.numpy(), [0, 1])
        values = np.full((face.n_vertices, *image.shape[2:]), np.nan)
        corners = face.uv.numpy()[face.uv_triangles.numpy()[skin]].reshape(-1, 2)
        column, row = (corners * [1, -1] + [0, 1]).T * len(image)
        values[face.triangles.numpy()[skin].ravel()] = image[row.astype(int), column.astype(int)]
        return values


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("person"))


def test_known_colours_are_found(person: Person) -> None:
    """Up to the exposure, within 5 of CIELAB on the mean of what is seen."""
    found = to_linear(person.at(person.texture.picture) / 255)
    true = to_linear(person.colors)
    seen = person.at(person.texture.seen) > 0.9
    assert seen.sum() > 500
    found = found * np.median(true[seen] / found[seen], axis=0)
    error = np.linalg.norm(to_lab(found[seen]) - to_lab(true[seen]), axis=1)
    assert error.mean() < 5


def test_a_mark_is_at_its_place(person: Person) -> None:
    red, green, _ = to_linear(person.at(person.texture.picture) / 255).T
    redness = red / green
    spot = near(person.vertices, landmark(FOREHEAD), 0.005)
    around = near(person.vertices, landmark(FOREHEAD), 0.035)
    around &= ~near(person.vertices, landmark(FOREHEAD), 0.025)
    true = to_linear(person.colors)
    contrast = np.nanmedian(redness[spot]) / np.nanmedian(redness[around])
    truth = np.median((true[:, 0] / true[:, 1])[spot]) / np.median(
        (true[:, 0] / true[:, 1])[around]
    )
    assert truth > 2
    assert contrast == pytest.approx(truth, rel=0.25)


def test_the_light_is_taken_out(person: Person) -> None:
    """One cheek is lit half as much again as the other, and they come out alike."""
    frame = to_linear(next(read_frames(person.video)) / 255) @ LUMINANCE
    brightness = to_linear(person.at(person.texture.picture) / 255) @ LUMINANCE
    places = person.tracked.landmarks[0, list(CHEEKS), :2].astype(int)
    dark, bright = (np.median(frame[y - 4 : y + 5, x - 4 : x + 5]) for x, y in places)
    assert bright / dark > 1.35
    right, left = (
        np.nanmedian(brightness[near(person.vertices, landmark(cheek), 0.015)]) for cheek in CHEEKS
    )
    assert left / right == pytest.approx(1, abs=0.15)


def test_what_is_not_seen_is_skin(person: Person) -> None:
    """Neck, ears and shoulders have the person's colour, and no background bleeds into them."""
    face = load_embedded_face()
    colors = to_linear(person.at(person.texture.picture) / 255)
    plain = to_linear(face.colors.numpy())
    near_cheek = near(person.vertices, landmark(CHEEKS[0]), 0.015)
    usual = np.nanmedian(colors[near_cheek] / plain[near_cheek], axis=0)
    seen = person.at(person.texture.seen)
    for region in ("neck", "ears", "shoulders"):
        part = face.regions[region].numpy()
        assert np.nanmax(seen[part]) < 0.05
        tint = colors[part] / plain[part]
        assert np.nanmax(np.abs(np.log(tint / usual))) < 0.5


def test_teeth_are_not_painted_on_lips(person: Person) -> None:
    """The mouth opens in the clip; what shows in it is much brighter than lips, or nearly black."""
    face = load_embedded_face()
    brightness = to_linear(person.at(person.texture.picture) / 255) @ LUMINANCE
    true = to_linear(person.colors) @ LUMINANCE
    lips = face.regions["lips"].numpy()
    ratio = (brightness / true)[lips] / np.nanmedian(brightness / true)
    assert np.nanpercentile(ratio, 2) > 0.5
    assert np.nanpercentile(ratio, 98) < 1.5


def test_what_is_hidden_is_not_sampled(person: Person) -> None:
    """On a head that is turned away, against rays through all triangles."""
    face = load_embedded_face()
    tracked = person.tracked
    size, focal = np.array(tracked.size), tracked.fit.focal
    turn, place = np.array([0.0, 0.9, 0.0]), np.array([0.0, -0.1, -1.0])
    with torch.no_grad():
        posed = face(torch.from_numpy(tracked.fit.betas)[None].float())
        corners, marks = (
            points[0].double().numpy() @ Rotation.from_rotvec(turn).as_matrix().T + place
            for points in (posed.vertices, face.landmarks(posed.vertices))
        )
    landmarks = np.nan_to_num(size / 2 + focal * marks[:, :2] * [1, -1] / -marks[:, 2:])
    tracked = replace(
        tracked,
        clip=replace(tracked.clip, expression=0 * tracked.clip.expression),
        fit=replace(
            tracked.fit,
            rotation=turn + 0 * tracked.fit.rotation,
            translation=place + 0 * tracked.fit.translation,
        ),
        landmarks=np.broadcast_to(landmarks, (len(tracked.landmarks), 478, 2)),
    )
    front = face.regions["front"].numpy()[::7]
    points = scipy.sparse.eye_array(face.n_vertices, format="csr")[front]
    frame = np.full((size[1], size[0], 3), 128, np.uint8)
    weight = Viewer(face, tracked, points).look(0, frame).weight
    nearest = np.array([first_hit(corners[v], corners[face.triangles.numpy()]) for v in front])
    hidden = nearest < 1 - 0.02 / np.linalg.norm(corners[front], axis=1)  # by 2 cm or more
    assert hidden.sum() > 30
    assert weight[hidden].max() == 0
    assert (weight > 0).mean() > 0.3


def first_hit(ray: np.ndarray, triangles: np.ndarray) -> float:
    """Where a ray [3] from the origin meets the first of [F, 3, 3], in lengths of the ray."""
    a, b, c = triangles.transpose(1, 0, 2)
    # o + t ray = a + u (b - a) + v (c - a), by Cramer's rule
    u_edge, v_edge = b - a, c - a
    normal = np.cross(u_edge, v_edge)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (a * normal).sum(1) / (normal @ ray)
        offset = t[:, None] * ray - a
        area = (normal * normal).sum(1)
        u = (np.cross(offset, v_edge) * normal).sum(1) / area
        v = (np.cross(u_edge, offset) * normal).sum(1) / area
    met = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    return float(t[met].min(initial=np.inf))


def test_rasterised_triangles_cover_each_pixel_once() -> None:
    """Two triangles that share an edge; barycentric places give the pixels back."""
    square = np.array([[-0.5, -0.5], [7.5, -0.5], [7.5, 5.5], [-0.5, 5.5]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    covered = rasterise(square[triangles], (10, 6))
    pixels, times = np.unique(covered.pixel, return_counts=True)
    assert set(pixels) == {y * 10 + x for x in range(8) for y in range(6)}
    assert times.max() <= 2  # a pixel on the very edge is in both
    place = covered.from_vertices(triangles, 4) @ square
    assert np.allclose(
        place, np.stack([covered.pixel % 10, covered.pixel // 10], axis=1), atol=1e-5
    )


def test_depth_is_of_the_nearest() -> None:
    near_far = np.array([[0, 0, 2.0], [9, 0, 2], [0, 9, 2], [0, 0, 5], [20, 0, 5], [0, 20, 5]])
    depth = depth_map(near_far, np.array([[3, 4, 5], [0, 1, 2]]), (12, 12))
    assert depth[1, 1] == pytest.approx(2)
    assert depth[8, 8] == pytest.approx(5)
    assert np.isinf(depth[11, 11])


def test_light_is_told_from_dark_spots(rng: np.random.Generator) -> None:
    normals = rng.normal(size=(5000, 3)) + np.array([0, 0, 1.5])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    shade = 1 + 0.6 * normals @ np.array([0.7, 0.3, 0.0])
    colors = shade[:, None] * [0.4, 0.3, 0.2]
    colors[rng.random(5000) < 0.15] *= 0.2  # brows and a beard
    found = light(normals, fit_light(normals, colors))
    even = shade[:, None] / found
    assert np.std(even) / np.mean(even) < 0.05


def test_an_outlier_does_not_count() -> None:
    colors = np.full((7, 2, 3), 0.3)
    colors[0] = 0.9  # a hand
    assert robust_mean(colors, np.ones((7, 2))) == pytest.approx(0.3, abs=0.01)


def test_values_go_on_over_a_mesh() -> None:
    """A strip known at one end: the value there, the expected one far away, and no step between."""
    n = 60
    vertices = np.stack(
        [np.repeat(np.arange(n), 2) * 0.005, np.tile([0, 0.005], n), np.zeros(2 * n)], 1
    )
    quads = [[2 * i, 2 * i + 1, 2 * i + 2, 2 * i + 3] for i in range(n - 1)]
    triangles = np.array([t for a, b, c, d in quads for t in ((a, b, c), (b, d, c))])
    known = (np.arange(2 * n) < 10).astype(float)
    values = extend(known[:, None], known, np.zeros((2 * n, 1)), vertices, triangles)[::2, 0]
    assert values[0] == pytest.approx(1, abs=0.01)
    assert values[-1] == pytest.approx(0, abs=0.05)
    assert np.diff(values).min() > -0.2
    assert np.diff(values).max() < 1e-9


def test_hair_and_cloth_are_no_skin() -> None:
    skin = np.array([0.4, 0.22, 0.15])
    others = np.array([[0.03, 0.02, 0.015], [0.1, 0.3, 0.6], [0.9, 0.9, 0.9]])
    assert skin_likelihood(others, skin).max() < 0.1
    assert skin_likelihood(skin[None] * 0.8, skin) == pytest.approx(1)


@pytest.mark.parametrize("cast", [(1.0, 1.0, 1.5), (0.8, 1.2, 0.8), (1.3, 0.8, 1.3), (1, 1, 1)])
def test_white_balance_leaves_skin_alone_and_mends_the_rest(cast: tuple[float, ...]) -> None:
    skin = to_linear(np.array([0.8, 0.63, 0.53]))
    seen = skin * cast
    lightness, a, b = to_lab(seen * white_balance(seen))
    assert HUE[0] - 0.02 <= np.arctan2(b, a) <= HUE[1] + 0.02
    assert CHROMA[0] - 0.5 <= np.hypot(a, b) <= CHROMA[1] + 0.5
    assert lightness == pytest.approx(to_lab(seen)[0], abs=0.5)
    if cast == (1, 1, 1):
        assert white_balance(seen) == pytest.approx(1, abs=1e-3)


def test_colours_there_and_back(rng: np.random.Generator) -> None:
    colors = rng.uniform(size=(100, 3))
    assert to_srgb(to_linear(colors)) == pytest.approx(colors)
    assert from_lab(to_lab(colors)) == pytest.approx(colors)
    assert to_lab(np.ones(3)) == pytest.approx([100, 0, 0], abs=0.01)


def quarters() -> np.ndarray:
    """A picture with another colour in each quarter; the face is on the right."""
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[:, 128:] = [40, 200, 60]
    picture[128:, :128] = [200, 30, 30]
    return picture


def saved(picture: np.ndarray, folder: Path) -> Path:
    """The picture as a file, which is what options name."""
    path = folder / "picture of the skin.png"
    path.write_bytes(png_bytes(picture))
    return path


def short_clip() -> MotionClip:
    return MotionClip("arkit52", 25, np.zeros((3, 52), np.float32))


def chunks(glb: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", glb, 12)[0]
    return json.loads(glb[20 : 20 + length]), glb[20 + length + 8 :]


def test_a_glb_carries_it(tmp_path: Path) -> None:
    export(short_clip(), tmp_path / "a.glb", OutputOptions(texture=saved(quarters(), tmp_path)))
    model, data = chunks((tmp_path / "a.glb").read_bytes())
    view = model["bufferViews"][model["images"][0]["bufferView"]]
    start = view.get("byteOffset", 0)
    picture = Image.open(io.BytesIO(data[start : start + view["byteLength"]]))
    assert np.array_equal(np.asarray(picture), quarters())
    names = [material["name"] for material in model["materials"]]
    assert "brows" not in names  # the person's own are in the picture
    for primitive in model["meshes"][0]["primitives"]:
        material = model["materials"][primitive["material"]]
        textured = "baseColorTexture" in material["pbrMetallicRoughness"]
        assert textured == (material["name"] in ("skin", "lips"))
        if textured:
            assert material["pbrMetallicRoughness"]["baseColorFactor"] == [1, 1, 1, 1]
            assert "COLOR_0" not in primitive["attributes"]


@pytest.mark.parametrize("suffix", ["usda", "usdz"])
def test_usd_carries_it(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="USD is an extra")
    from pxr import Ar, Usd, UsdShade
    from support.usd_validation import complaints

    path = tmp_path / f"a.{suffix}"
    files = export(short_clip(), path, OutputOptions(texture=saved(quarters(), tmp_path)))
    assert files == [path] if suffix == "usdz" else files == [path, tmp_path / "a.png"]
    assert complaints(path) == []
    stage = Usd.Stage.Open(str(path))
    surface = UsdShade.Material(stage.GetPrimAtPath("/Head/Materials/skin")).ComputeSurfaceSource()[
        0
    ]
    source = surface.GetInput("diffuseColor").GetConnectedSources()[0][0].source
    asset = UsdShade.Shader(source.GetPrim()).GetInput("file").Get()
    content = Ar.GetResolver().OpenAsset(Ar.ResolvedPath(asset.resolvedPath)).GetBuffer()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(bytes(content)))), quarters())


def test_pictures_show_it(tmp_path: Path) -> None:
    """The face is green as the quarters that it lies in, eyes and teeth are not, on both sides alike."""
    export(short_clip(), tmp_path / "a.mp4", OutputOptions(texture=saved(quarters(), tmp_path)))
    frame = next(read_frames(tmp_path / "a.mp4")).astype(int)
    forehead = frame[130:150, 240:272].mean((0, 1))
    assert forehead[1] > 1.5 * forehead[0]
    assert forehead[1] > 1.5 * forehead[2]
    assert np.abs(frame - frame[:, ::-1])[150:300, 180:332].mean() < 25


def test_a_picture_of_the_vertex_colours_looks_like_them(person: Person) -> None:
    """The way through the UV map and its seams changes nothing: both are painted by the same colours."""
    face = load_embedded_face().without("brows")
    picture = np.zeros((1024, 1024, 3))
    corners = face.uv.double().numpy()[face.uv_triangles.numpy()] * [1024, -1024] + [-0.5, 1023.5]
    skin = np.isin(face.triangle_material.numpy(), [0, 1])
    corners[~skin] = 0
    covered = rasterise(corners, (1024, 1024))
    spread = covered.from_vertices(face.triangles.numpy(), face.n_vertices)
    picture.reshape(-1, 3)[covered.pixel] = spread @ person.colors
    vertices = face.template.numpy()
    with HeadRenderer(face, colors=person.colors) as renderer:
        painted = renderer.render(vertices).astype(int)
    texture = np.rint(picture * 255).astype(np.uint8)
    with HeadRenderer(face, colors=person.colors, texture=texture) as renderer:
        textured = renderer.render(vertices).astype(int)
    different = np.abs(painted - textured).max(axis=2)
    assert np.median(different[different > 0]) < 4
    assert (different > 40).mean() < 0.01  # seams, which the picture does not fill here


class Looks:
    """Two frames of somebody who looks into the camera, and their landmarks."""

    def __init__(self) -> None:
        clip = silent_clip(load_embedded_face(), seed=3, frames=2)
        self.clip = replace(clip, exposure=0.9, noise=2.0)
        images = list(self.frames(load_embedded_face()).values())
        landmarker = FaceLandmarker(threads=1)
        regions = [landmarker.detect(image)[0].region for image in images]
        regions = [found.region for found in landmarker.landmarks(images, regions)]
        self.landmarks = np.stack(
            [found.landmarks for found in landmarker.landmarks(images, regions)]
        )

    def frames(self, face: Face) -> dict[int, np.ndarray]:
        """With the eyes of a face."""
        colors, eyes = self.clip.colors.copy(), face.regions["eyeballs"].numpy()
        colors[eyes] = face.colors.numpy()[eyes]
        made = replace(self.clip, colors=colors).frames(face, np.random.default_rng(0))
        return dict(enumerate(made))


@pytest.fixture(scope="module")
def looks() -> Looks:
    return Looks()


@pytest.mark.parametrize("name", IRISES)
def test_iris_colours_are_found(name: str, looks: Looks) -> None:
    """Within 10 of CIELAB, where these are 33 and more apart and 19 from the head's own."""
    true = to_linear(IRISES[name])
    found = iris_color(looks.landmarks, looks.frames(with_irises(true)[0]))
    assert found is not None
    assert np.linalg.norm(to_lab(found) - to_lab(true)) < 10


def covered(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A frame with dark glasses."""
    frame = frame.copy()
    for eye in (LEFT_EYE, RIGHT_EYE):
        (left, top), (right, bottom) = (
            f(landmarks[list(eye), :2], axis=0).astype(int) for f in (np.min, np.max)
        )
        frame[top - 12 : bottom + 12, left - 12 : right + 12] = (30, 28, 28)
    return frame


def test_eyes_behind_glasses_keep_their_colour(looks: Looks) -> None:
    frames = looks.frames(load_embedded_face())
    dark = {t: covered(frame, looks.landmarks[t]) for t, frame in frames.items()}
    assert iris_color(looks.landmarks, frames) is not None
    assert iris_color(looks.landmarks, dark) is None


def test_closed_eyes_keep_their_colour(looks: Looks) -> None:
    """The lids' landmarks meet, and what shows between them is not asked."""
    landmarks = looks.landmarks.copy()
    for eye in (LEFT_EYE, RIGHT_EYE):
        lids = landmarks[:, list(eye), 1]
        landmarks[:, list(eye), 1] += 0.9 * (lids.mean(axis=1, keepdims=True) - lids)
    assert iris_color(landmarks, looks.frames(load_embedded_face())) is None


def test_small_irises_are_drawn_to_brown(looks: Looks) -> None:
    """Blue ones of 7 pixels' radius are blue, half as large browner; a third as large tell nothing."""
    frames = looks.frames(with_irises(to_linear(IRISES["blue"]))[0])

    def found(part: int) -> np.ndarray | None:
        small = {t: np.asarray(Image.fromarray(f).reduce(part)) for t, f in frames.items()}
        return iris_color(looks.landmarks / part, small)

    whole, half = found(1), found(2)
    assert whole is not None
    assert half is not None
    assert to_lab(half)[2] > to_lab(whole)[2] + 5
    assert found(3) is None


@pytest.mark.parametrize("name", IRISES)
def test_irises_travel_in_the_picture(name: str, tmp_path: Path) -> None:
    """As stored, halved by an editor, and as a JPEG."""
    true = to_linear(IRISES[name])
    face, picture = with_irises(true)
    assert np.linalg.norm(to_lab(iris_of(face)) - to_lab(true)) < 4
    Image.fromarray(picture).resize((1024, 1024)).save(tmp_path / "half.png")
    Image.fromarray(picture).save(tmp_path / "coded.jpg", quality=90)
    for file in ("half.png", "coded.jpg"):
        again = with_eyes_of(load_embedded_face(), load_texture(tmp_path / file))
        assert np.linalg.norm(to_lab(iris_of(again)) - to_lab(true)) < 10


def test_only_irises_are_coloured() -> None:
    face, own = with_irises(np.array([0.1, 0.05, 0.02]))[0], load_embedded_face()
    iris = np.unique(own.triangles.numpy()[on(own, "iris")])
    changed = (face.colors != own.colors).any(dim=1).numpy()
    assert np.array_equal(np.flatnonzero(changed), iris)


def test_a_picture_without_eyes_leaves_them_alone() -> None:
    face = load_embedded_face()
    own = with_irises(to_linear(IRISES["brown"]))[1]
    tiny = np.asarray(Image.fromarray(own).resize((64, 64)))
    for picture in (quarters(), np.full((2048, 2048, 3), 90, np.uint8), tiny):
        assert with_eyes_of(face, picture) is face


def test_the_eyes_of_a_video_are_exported(person: Person, tmp_path: Path) -> None:
    export(
        short_clip(),
        tmp_path / "a.glb",
        OutputOptions(texture=saved(person.texture.picture, tmp_path)),
    )
    model, data = chunks((tmp_path / "a.glb").read_bytes())
    names = [material["name"] for material in model["materials"]]
    (iris,) = (
        primitive
        for primitive in model["meshes"][0]["primitives"]
        if names[primitive["material"]] == "iris"
    )
    accessor = model["accessors"][iris["attributes"]["COLOR_0"]]
    start = model["bufferViews"][accessor["bufferView"]]["byteOffset"]
    colors = np.frombuffer(data, np.uint16, 4 * accessor["count"], start).reshape(-1, 4) / 65535
    difference = to_lab(colors[:, :3].mean(axis=0)) - to_lab(to_linear(IRISES["brown"]))
    assert np.linalg.norm(difference) < 10


def test_which_formats_can_hold_it(tmp_path: Path) -> None:
    able = {suffix for suffix, kind in FORMATS.items() if kind.texture != "nowhere"}
    assert {".glb", ".usdz", ".mp4"} <= able
    for suffix in sorted(set(FORMATS) - able):
        with pytest.raises(InputError, match=r"cannot hold a texture; these can: \.glb"):
            plan_export(tmp_path / f"a{suffix}", OutputOptions(texture=saved(quarters(), tmp_path)))


def test_another_face_does_not_take_it(tmp_path: Path) -> None:
    other = load_embedded_face().replace(name="flame2023")
    with pytest.raises(InputError, match="not for the face 'flame2023'"):
        export(
            short_clip(),
            tmp_path / "a.glb",
            OutputOptions(texture=saved(quarters(), tmp_path)),
            face=other,
        )
    assert not (tmp_path / "a.glb").exists()


def test_a_face_without_brows_keeps_its_landmarks() -> None:
    face = load_embedded_face()
    bare = face.without("brows")
    assert len(bare.triangles) < len(face.triangles)
    before, after = (f.landmarks(f.template[None])[0] for f in (face, bare))
    assert np.allclose(before, after, equal_nan=True)


@pytest.mark.parametrize("shape", [(100, 120, 3), (32, 32, 3)])
def test_a_picture_of_another_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=f"has {shape[1]} x {shape[0]} pixels; it must be square"):
        load_texture(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_pictures_of_all_kinds_are_read(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(quarters()).convert(mode)
    image.save(tmp_path / "a.png")
    want = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(load_texture(tmp_path / "a.png") - want).max() <= 2


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="can be decoded; is the file damaged"):
        load_texture(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="does not exist"):
        load_texture(tmp_path / "none.png")


def test_written_pictures_have_square_pixels() -> None:
    content = png_bytes(quarters())
    at = content.index(b"pHYs")
    assert struct.unpack_from(">IIB", content, at + 4) == (1, 1, 0)


def test_the_command(person: Person, tmp_path: Path, monkeypatch, capsys) -> None:
    skin, head, clip = (tmp_path / name for name in ("skin.png", "head.glb", "clip.npz"))

    def run(*arguments: object) -> tuple[str, int]:
        monkeypatch.setattr("sys.argv", ["adamesh", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return capsys.readouterr().err.strip(), int(stop.value.code or 0)

    assert run("texture", person.video, "-o", tmp_path / "skin.jpg") == (
        f"adamesh: output '{tmp_path / 'skin.jpg'}' must end in .png",
        2,
    )
    assert run("texture", person.video, "-o", skin) == ("", 0)
    assert np.array_equal(load_texture(skin), person.texture.picture)
    message, code = run("texture", person.video, "-o", skin)
    assert (code, "--force" in message) == (2, True)
    short_clip().save(clip)
    assert run("export", clip, "-o", head, "--texture", skin) == ("", 0)
    assert "images" in chunks(head.read_bytes())[0]
    message, code = run("export", clip, "-o", tmp_path / "a.csv", "--texture", skin)
    assert code == 2
    assert "cannot hold a texture" in message


@pytest.mark.parametrize("command", ["export", "batch"])
def test_another_face_is_refused_before_the_video_is_read(
    command: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "adamesh" / "faces").mkdir(parents=True)
    other = tmp_path / "adamesh" / "faces" / "other.safetensors"
    save_face(load_embedded_face().replace(name="other"), other)
    (tmp_path / "no.mp4").write_bytes(b"not a video")
    short_clip().save(tmp_path / "clip.npz")
    (tmp_path / "lines.csv").write_text("speech,output\nspeech.wav,a.glb\n")
    given = {
        "export": ["export", tmp_path / "clip.npz", "-o", tmp_path / "a.glb"],
        "batch": ["animate", "--batch", tmp_path / "lines.csv"],
    }[command]
    options = ["--face", "other", "--texture", tmp_path / "no.mp4"]
    monkeypatch.setattr("sys.argv", ["adamesh", *map(str, [*given, *options])])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "not for the face 'other'" in capsys.readouterr().err
