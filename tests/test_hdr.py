"""Videos as phones store them show the colours that were before the camera."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from adamesh.media.hdr import BT2020, DISPLAY_P3, HLG, PQ, TO_BT709, to_bt709
from adamesh.media.video import read_frames

BT709 = 1
COLOURS = np.array(
    [[200, 140, 120], [110, 75, 64], [128, 128, 128], [40, 40, 40], [60, 90, 180], [70, 160, 90]]
)


def light_of(rgb: np.ndarray) -> np.ndarray:
    """What a display of BT.709 shows (BT.1886), in diffuse whites."""
    return (np.asarray(rgb, np.float64) / 255) ** 2.4


def hlg(light: np.ndarray) -> np.ndarray:
    """Signal of HLG (BT.2100) for light in diffuse whites of 203 cd/m2, in the primaries of BT.2020."""
    shown = light * 203 / 1000
    luminance = shown @ [0.2627, 0.6780, 0.0593]
    scene = shown * np.maximum(luminance, 1e-12)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    )


def pq(light: np.ndarray) -> np.ndarray:
    """Signal of PQ (BT.2100)."""
    y = (light * 203 / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def stored(rgb: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """0..1 as a file of those numbers of H.273 holds it."""
    light = light_of(rgb)
    if primaries in TO_BT709:
        light = light @ np.linalg.inv(TO_BT709[primaries]).T
    if transfer in (HLG, PQ):
        return hlg(light) if transfer == HLG else pq(light)
    return light ** (1 / 2.4)


@pytest.mark.parametrize("primaries", [BT709, BT2020, DISPLAY_P3])
@pytest.mark.parametrize("transfer", [HLG, PQ, BT709])
def test_colours_come_back(transfer: int, primaries: int) -> None:
    if transfer == HLG and primaries != BT2020:
        pytest.skip("HLG's luminance is that of BT.2020")
    signal = np.rint(stored(COLOURS[None], transfer, primaries) * 65535).astype(np.uint16)
    assert np.abs(to_bt709(signal, transfer, primaries).astype(int) - COLOURS).max() <= 1


def test_white_and_what_is_brighter() -> None:
    """75 % of HLG is diffuse white; highlights go on rising up to its peak, and never clip before."""
    levels = np.linspace(0.7, 1.0, 30)
    signal = np.rint(np.repeat(levels[:, None], 3, 1)[None] * 65535).astype(np.uint16)
    shown = to_bt709(signal, HLG, BT2020)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert 245 <= shown[5] < 255
    assert shown[-1] == 255


def write(
    path: Path,
    pictures: np.ndarray,
    *,
    pixels: str = "yuv420p",
    matrix: int = 1,
    transfer: int = BT709,
    primaries: int = BT709,
    full: bool = False,
    tagged: bool = True,
) -> None:
    """A video of one colour, given as 16-bit RGB as it is to be stored."""
    height, width = pictures.shape[:2]
    wide = av.VideoFrame.from_ndarray(pictures, format="rgb48le")
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.options = {"crf": "4"}
        context = stream.codec_context
        context.color_range = 2 if full else 1
        if tagged:
            context.colorspace, context.color_trc = matrix, transfer
            context.color_primaries = primaries
        frame = wide.reformat(
            format=pixels, dst_colorspace=matrix, dst_color_range=2 if full else 1
        )
        for i in range(3):
            frame.pts, frame.time_base = i, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def picture(transfer: int, primaries: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    colours = stored(COLOURS, transfer, primaries)
    stripes = np.repeat(colours, size[0] // len(colours), axis=0)
    return np.ascontiguousarray(
        np.rint(np.tile(stripes, (size[1], 1, 1)) * 65535).astype(np.uint16)
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain", {}),
        ("full range", {"full": True}),
        ("BT.601", {"matrix": 5, "primaries": 6, "transfer": 6}),
        ("full range of BT.601", {"matrix": 5, "primaries": 6, "transfer": 6, "full": True}),
        ("4:4:4", {"pixels": "yuv444p"}),
        ("HLG", {"pixels": "yuv420p10le", "matrix": 9, "transfer": HLG, "primaries": BT2020}),
        ("PQ", {"pixels": "yuv420p10le", "matrix": 9, "transfer": PQ, "primaries": BT2020}),
        ("P3", {"pixels": "yuv420p", "primaries": DISPLAY_P3}),
        ("BT.2020", {"pixels": "yuv420p10le", "matrix": 9, "transfer": 14, "primaries": BT2020}),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_videos_show_the_same_colours(name: str, settings: dict, tmp_path: Path) -> None:
    transfer, primaries = settings.get("transfer", BT709), settings.get("primaries", BT709)
    write(tmp_path / "a.mp4", picture(transfer, primaries), **settings)
    (first, *_) = read_frames(tmp_path / "a.mp4")
    width = first.shape[1] // len(COLOURS)
    seen = first[8:-8, width // 2 :: width].mean(0)
    assert np.abs(seen - COLOURS).max() < 4, name


@pytest.mark.parametrize(("size", "matrix"), [((96, 64), 5), ((1284, 720), 1)])
def test_an_untold_matrix_is_the_usual_one(
    size: tuple[int, int], matrix: int, tmp_path: Path
) -> None:
    """Of the size: players take BT.709 for high definition."""
    write(tmp_path / "a.mp4", picture(BT709, BT709, size), matrix=matrix, tagged=False)
    (first, *_) = read_frames(tmp_path / "a.mp4")
    width = first.shape[1] // len(COLOURS)
    seen = first[8:-8, width // 2 :: width].mean(0)
    assert np.abs(seen - COLOURS).max() < 4
