"""A video of a person -> a picture of their skin, and of the colour of their eyes, in the UV map of the head.

Colours are worked on as logarithms of how far they differ from the head's own: a difference goes on smoothly
from what is seen to what is not, and there tints the head's painting.
"""

import os
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import scipy.sparse
from numpy.typing import NDArray

from adamesh.faces.appearance import TEXTURED
from adamesh.faces.embedded import load_embedded_face
from adamesh.faces.face import Face
from adamesh.media.color import to_linear, to_srgb
from adamesh.progress import Progress, no_progress
from adamesh.texture.blend import extend, robust_mean
from adamesh.texture.eyes import paint_eyes
from adamesh.texture.frames import choose_frames
from adamesh.texture.iris import iris_color
from adamesh.texture.lighting import fit_light, light
from adamesh.texture.places import Places
from adamesh.texture.raster import Covered
from adamesh.texture.skin import skin_likelihood, white_balance
from adamesh.texture.texels import on, texels
from adamesh.texture.views import Samples, Viewer
from adamesh.tracking.track import TrackedVideo, track_video
from adamesh.values import Value

Float = NDArray[np.floating]

SIZE = 2048  # pixels, of half a millimetre on the face
FRAMES = 24
SHADED_SAMPLES = 60_000  # that the light is fitted to
ENOUGH = 0.05  # mean weight over the frames of what is seen well
SEAM = 7  # pixels over which what is seen is blended into what is not
HAIR_STEP, HAIR_SAMPLES = 16, 100  # every so many texels of the scalp; fewer seen tell no colour


@dataclass(frozen=True, eq=False, repr=False)
class Texture(Value):
    """A person's skin and the colour of their eyes.

    Attributes:
        picture: [SIZE, SIZE, 3] uint8 sRGB in the UV map of the embedded head.
        seen: [SIZE, SIZE] 0..1, how much of each pixel's colour is from the video; the rest is continued.
        frames: numbers of the frames that it is made of.
    """

    picture: NDArray[np.uint8]
    seen: NDArray[np.float32]
    frames: tuple[int, ...]


def make_texture(
    video: str | os.PathLike[str], *, person: int = 1, progress: Progress = no_progress
) -> Texture:
    """The skin of a person in a video, evenly lit.

    Args:
        video: some seconds of somebody, best turning the head a little, in soft light from the front.
        person: whom of several people, see `track_video`.
        progress: told how far it is.
    Raises:
        InputError: not a readable video, or the face is not seen well enough.
    """
    tracked = track_video(video, person=person, progress=progress)
    return paint(tracked, video, progress=progress)


def paint(
    tracked: TrackedVideo,
    video: str | os.PathLike[str],
    *,
    progress: Progress = no_progress,
) -> Texture:
    """`make_texture` of a video that is tracked already.

    Args:
        progress: told how far it is.
    """
    face = load_embedded_face()
    places = Places.of(face)
    surface = texels(face, SIZE, *TEXTURED)
    spread = surface.from_vertices(face.triangles.numpy(), face.n_vertices)
    at = {name: spread @ values for name, values in vars(places).items()}
    # Of the scalp only the mean colour is asked, so a few of its texels will do.
    some = np.arange(len(surface.pixel)) % HAIR_STEP == 0
    maybe = np.flatnonzero((at["fitted"] > 0) | ((at["scalp"] > 0.5) & some))
    frames = choose_frames(tracked, video, FRAMES, progress)
    viewer = Viewer(face, tracked, spread[maybe])
    views = [viewer.look(t, frame) for t, frame in frames.items()]

    skin = (at["face"][maybe] > 0) & ~on(face, "lips")[surface.triangle[maybe]]
    colors = _evenly_lit(views, skin)
    weights = np.stack([view.weight for view in views])
    amount = weights.mean(axis=0) / ENOUGH
    albedo = robust_mean(colors, weights)
    typical = np.median(albedo[skin & (amount > 1)], axis=0)
    balance = white_balance(typical)
    likely = np.maximum(skin_likelihood(albedo, typical), at["face"][maybe])

    plain = spread @ to_linear(face.colors.double().numpy())
    difference = np.zeros_like(plain)
    difference[maybe] = np.log(np.maximum(albedo * balance, 1e-3) / plain[maybe])
    sure = np.zeros(len(plain))
    sure[maybe] = np.clip(amount, 0, 1) * at["fitted"][maybe] * likely
    seen = _feathered(surface, sure)

    usual = np.median(difference[maybe][skin & (amount > 1)], axis=0)
    hair = maybe[(at["scalp"][maybe] > 0.5) & (at["fitted"][maybe] == 0) & (amount > 0.5)]
    hair_usual = np.median(difference[hair], axis=0) if len(hair) > HAIR_SAMPLES else usual
    expected = usual + places.scalp[:, None] * (hair_usual - usual)
    smooth = _continued(face, spread, difference, seen, expected)
    color = plain * np.exp(smooth + seen[:, None] * (difference - smooth))

    eyeballs, eyes = paint_eyes(face, SIZE, iris_color(tracked.landmarks, frames))
    picture = _picture(
        np.concatenate([surface.pixel, eyeballs]), np.concatenate([to_srgb(color), eyes])
    )
    return Texture(picture, _image(surface.pixel, seen), tuple(frames))


def _evenly_lit(views: list[Samples], skin: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[K, N, 3] the colours of K views without their light, which is fitted to what is skin [N]."""
    k, n = np.nonzero(np.stack([(view.weight > ENOUGH) & skin for view in views]))
    some = np.linspace(0, len(k) - 1, min(len(k), SHADED_SAMPLES)).astype(np.int64)
    normals, colors = (
        np.stack([getattr(views[i], name)[j] for i, j in zip(k[some], n[some], strict=True)])
        for name in ("normal", "color")
    )
    found = fit_light(normals, colors)
    return np.stack([(v.color / light(v.normal, found)).astype(np.float32) for v in views])


def _feathered(surface: Covered, seen: Float) -> Float:
    """[N] what is seen, fading towards its edges."""
    blurred = scipy.ndimage.gaussian_filter(_image(surface.pixel, seen), SEAM)
    return seen * np.clip(2 * blurred.reshape(-1)[surface.pixel] - 1, 0, 1)


def _continued(
    face: Face, spread: scipy.sparse.csr_array, values: Float, seen: Float, expected: Float
) -> Float:
    """Values [N, 3] as smooth as the mesh, continued to where they are not seen.

    Args:
        spread: [N, V] from vertices to texels.
        seen: [N] 0..1.
        expected: [V, 3] far from what is seen.
    """
    gather = spread.T
    weight = gather @ seen
    mean = gather @ (seen[:, None] * values) / np.maximum(weight, 1e-9)[:, None]
    known = weight / np.maximum(gather @ np.ones(len(seen)), 1e-9)
    surface = face.triangles.numpy()[on(face, *TEXTURED)]
    smooth = extend(mean, known, expected, face.template.double().numpy(), surface)
    return spread @ smooth


def _image(pixels: NDArray[np.int64], values: Float) -> NDArray[np.float32]:
    """[N, ...] of pixels [N] -> [SIZE, SIZE, ...], 0 beside them."""
    image = np.zeros((SIZE * SIZE, *values.shape[1:]), np.float32)
    image[pixels] = values
    return image.reshape(SIZE, SIZE, *values.shape[1:])


def _picture(pixels: NDArray[np.int64], srgb: Float) -> NDArray[np.uint8]:
    """The picture of pixels [N] and their colours [N, 3].

    Beside them it has the nearest colour, since readers mix neighbouring pixels.
    """
    empty = np.ones((SIZE, SIZE), bool)
    empty.reshape(-1)[pixels] = False
    nearest = scipy.ndimage.distance_transform_edt(
        empty, return_distances=False, return_indices=True
    )
    filled = _image(pixels, np.clip(srgb, 0, 1))[tuple(nearest)]
    return np.rint(filled * 255).astype(np.uint8)
