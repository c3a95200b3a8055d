"""Renderings show what was asked for, when it was to be shown; read back by other decoders."""

import dataclasses
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from support.flame_fixture import write_flame

from adamesh.cli import main
from adamesh.errors import InputError, MissingDependencyError
from adamesh.export import FORMATS, OutputOptions, export, plan_export
from adamesh.export.pictures import CameraName, LightName, Pictures
from adamesh.faces import Face, load_embedded_face
from adamesh.faces.flame import read_flame
from adamesh.media.video import VideoWriter
from adamesh.motion import ARKIT52, MotionClip

pytest.importorskip("vtkmodules", reason="rendering is an extra")
av = pytest.importorskip("av")

from adamesh.render import HeadRenderer  # noqa: E402
from adamesh.render.presets import CAMERAS, LIGHTS, parse_color, preset_camera  # noqa: E402

JAW = ARKIT52.index("jawOpen")
SOUND = (np.zeros(8000, np.float32), 16_000)
SHAPES = {"wide": (160, 90), "square": (96, 96), "tall": (90, 160)}


@pytest.fixture(scope="module")
def head() -> Face:
    return load_embedded_face()


@pytest.fixture(scope="module")
def flame(tmp_path_factory: pytest.TempPathFactory) -> Face:
    return read_flame(write_flame(tmp_path_factory.mktemp("flame") / "flame.npz"))


def talking(frames: int = 10, fps: float = 25.0) -> MotionClip:
    """A mouth that opens in the middle."""
    weights = np.zeros((frames, 52), np.float32)
    weights[frames // 2 :, JAW] = 1
    return MotionClip("arkit52", fps, weights)


def drawn(face: Face, size: tuple[int, int], camera: str, light: str, **more: Any) -> np.ndarray:
    look = LIGHTS[light]
    with HeadRenderer(
        face,
        size,
        camera=preset_camera(face, size, camera),
        lights=look.lights,
        ambient=look.ambient,
        **more,
    ) as renderer:
        return renderer.render(face.template.numpy(force=True))


def over(picture: np.ndarray, background: float) -> np.ndarray:
    """A picture with straight alpha, laid over a grey."""
    alpha = picture[..., 3:] / 255
    return picture[..., :3] * alpha + background * (1 - alpha)


def test_every_name_has_a_preset() -> None:
    assert set(CAMERAS) == set(get_args(CameraName))
    assert set(LIGHTS) == set(get_args(LightName))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("which", ["head", "flame"])
def test_cameras_frame_the_head(
    which: str, camera: str, shape: str, request: pytest.FixtureRequest
) -> None:
    size = SHAPES[shape]
    seen = drawn(request.getfixturevalue(which), size, camera, "flat", background=None)[..., 3] > 0
    upper = seen[: int(0.6 * size[1])]  # above the shoulders, which may be cut
    if camera != "close":
        assert not seen[0].any()
        assert not upper[:, [0, -1]].any()
    assert upper.any(axis=0).sum() > 0.45 * min(size)
    middle = np.nonzero(upper.any(axis=0))[0].mean() / size[0]
    assert 0.4 < middle < 0.6


@pytest.mark.parametrize("light", LIGHTS)
def test_every_light_shows_the_mouth(head: Face, light: str) -> None:
    look, size = LIGHTS[light], (96, 96)
    row = torch.zeros(1, 52)
    row[0, JAW] = 1
    camera = preset_camera(head, size, "close")
    with HeadRenderer(
        head, size, camera=camera, lights=look.lights, ambient=look.ambient
    ) as renderer:
        closed = renderer.render(head.template.numpy())
        opened = renderer.render(head(expression=row).vertices[0].numpy())
    assert np.abs(closed.astype(int) - opened).max(axis=-1)[48:].mean() > 5
    assert 40 < closed[30:80, 30:66].mean() < 225  # neither night nor glare


def test_lights_and_cameras_differ(head: Face) -> None:
    pictures = [drawn(head, (64, 64), camera, "studio").astype(int) for camera in CAMERAS]
    pictures += [
        drawn(head, (64, 64), "front", light).astype(int) for light in LIGHTS if light != "studio"
    ]
    for a, b in itertools.combinations(pictures, 2):
        assert np.abs(a - b).mean() > 1.5


def test_transparency_is_that_of_the_edges(head: Face) -> None:
    """Laid over white and over black it is what is drawn on white and on black."""
    size = (160, 160)
    clear = drawn(head, size, "front", "studio", background=None)
    assert ((clear[..., 3] > 0) & (clear[..., 3] < 255)).sum() > 200
    for grey in (0.0, 1.0):
        opaque = drawn(head, size, "front", "studio", background=(grey,) * 3)
        assert np.abs(over(clear, 255 * grey) - opaque).max() <= 3


def test_the_mesh_is_drawn_on_skin_alone(head: Face) -> None:
    plain, wired = (
        drawn(head, (400, 400), "close", "flat", wireframe=w).astype(int) for w in (0, 1)
    )
    eye = preset_camera(head, (400, 400), "close").project(
        head.joints_template[4] + torch.tensor([0, 0, 0.012])
    )
    u, v = (round(x) for x in eye[:2])
    changed = np.abs(plain - wired).max(axis=-1) > 10
    assert 0.1 < changed[250:350, 150:250].mean() < 0.95
    assert not changed[v - 3 : v + 4, u - 3 : u + 4].any()


def test_colours_have_names() -> None:
    assert parse_color("white") == (1, 1, 1)
    assert parse_color("#ff8000") == pytest.approx((1, 128 / 255, 0))
    for wrong in ("blu", "#12345", "rgb(1,2,3)", ""):
        with pytest.raises(InputError, match="there is no colour"):
            parse_color(wrong)


@pytest.mark.parametrize(
    ("name", "pictures", "fps", "expected"),
    [
        (
            "a.glb",
            {"wireframe": True},
            None,
            r"\.glb holds no pictures.*\.mp4, \.webm, \.gif, \.png",
        ),
        ("a.mp4", {"background": "transparent"}, None, r"\.mp4 has no transparency; write \.webm"),
        ("a.gif", {"background": "transparent"}, None, r"\.gif has no transparency"),
        ("a.webm", {"size": (101, 64)}, None, "even width and height, got 101x64"),
        ("a.gif", {}, 60, "at most 50 pictures a second, and 60"),
        ("a.mp4", {"background": "blu"}, None, "no colour 'blu'"),
        ("a.mp4", {"beside": Path("none.mp4")}, None, "'none.mp4' does not exist"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_any_work(
    name: str, pictures: dict[str, Any], fps: float | None, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected) as error:
        plan_export(tmp_path / name, OutputOptions(fps=fps, pictures=Pictures(**pictures)))
    assert "\n" not in str(error.value)


def test_wrong_choices() -> None:
    with pytest.raises(InputError, match="size 8x512 cannot be drawn"):
        Pictures(size=(8, 512))
    with pytest.raises(InputError, match="no camera 'above'; there are front, three-quarter"):
        Pictures(camera="above")  # type: ignore[arg-type]


def test_the_command_line_has_them_all(
    head: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talking(2).save(tmp_path / "clip.npz")
    asked = "--size 60x44 --camera close --light soft --background tomato --wireframe"
    arguments = [
        "export",
        str(tmp_path / "clip.npz"),
        "-o",
        str(tmp_path / "a.png"),
        *asked.split(),
    ]
    monkeypatch.setattr(sys, "argv", ["adamesh", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    expected = drawn(
        head, (60, 44), "close", "soft", background=parse_color("tomato"), wireframe=True
    )
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a" / "a_0001.png")), expected)


def test_a_missing_renderer_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyvista", None)
    for suffix, kind in FORMATS.items():
        if kind.medium is not None:
            with pytest.raises(MissingDependencyError, match=r"adamesh\[render\]"):
                plan_export(tmp_path / f"a{suffix}")


def test_a_folder_of_transparent_png(head: Face, tmp_path: Path) -> None:
    look = Pictures((61, 45), background="transparent")
    written = export(
        talking(), tmp_path / "a.png", OutputOptions(pictures=look), face=head, audio=SOUND
    )
    assert written == [tmp_path / "a", tmp_path / "a.wav"]
    files = sorted(written[0].iterdir())
    assert [file.name for file in files] == [f"a_{i:04}.png" for i in range(1, 11)]
    pictures = [np.asarray(Image.open(file)) for file in files]
    expected = drawn(head, (61, 45), "front", "studio", background=None)
    np.testing.assert_array_equal(pictures[0], expected)
    assert np.abs(pictures[-1].astype(int) - expected).max() > 30


def webm_with_alpha(path: Path) -> Iterator[np.ndarray]:
    """Decoded by libvpx; FFmpeg's own decoder leaves alpha out."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as video:
        (stream,) = video.streams.video
        assert stream.metadata["alpha_mode"] == "1"
        for packet in video.demux(stream):
            for frame in decoder.decode(packet):
                assert frame.format.name == "yuva420p"
                yield frame.to_ndarray(format="rgba")


def test_transparent_webm(head: Face, tmp_path: Path) -> None:
    size = (160, 160)
    look = Pictures(size, background="transparent")
    export(talking(6), tmp_path / "a.webm", OutputOptions(pictures=look), face=head, audio=SOUND)
    pictures = list(webm_with_alpha(tmp_path / "a.webm"))
    assert len(pictures) == 6
    alpha = drawn(head, size, "front", "studio", background=None)[..., 3]
    edge = (alpha > 0) & (alpha < 255)
    for grey in (0.0, 1.0):
        opaque = drawn(head, size, "front", "studio", background=(grey,) * 3)
        error = np.abs(over(pictures[0], 255 * grey) - opaque)
        assert error.mean() < 1.5
        assert error[edge].mean() < 5  # colours multiplied by alpha, here or there, would be 20 off


def gif_of(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures and their times in seconds, by a decoder other than the encoder's."""
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        pictures, delays = [], []
        for k in range(gif.n_frames):
            gif.seek(k)
            pictures.append(np.asarray(gif.convert("RGB")))
            delays.append(gif.info["duration"])
    return pictures, np.cumsum([0, *delays]) / 1000


def test_gif_has_the_clips_colours_and_the_sound_lies_beside_it(head: Face, tmp_path: Path) -> None:
    look = Pictures((97, 97), background="#20A060")
    clip = talking(30, fps=60)
    written = export(clip, tmp_path / "a.gif", OutputOptions(pictures=look), face=head, audio=SOUND)
    assert written == [tmp_path / "a.gif", tmp_path / "a.wav"]
    pictures, times = gif_of(tmp_path / "a.gif")
    assert len(pictures) == 12  # half a second at 25 fps
    assert times[-1] == pytest.approx(0.48)
    expected = drawn(head, (97, 97), "front", "studio", background=parse_color("#20A060"))
    assert np.abs(pictures[0].astype(int) - expected).mean() < 3
    change = [np.abs(b.astype(int) - a).mean() for a, b in itertools.pairwise(pictures)]
    assert np.argmax(change) in (5, 6)


def test_video_beside_keeps_the_heads_time(head: Face, tmp_path: Path) -> None:
    """A video whose grey tells its time, at another rate, on the left; it ends before the head does."""
    with VideoWriter(tmp_path / "clock.mp4", 30, 60, 40) as video:
        for k in range(30):
            video.write(np.full((40, 60, 3), 60 + 4 * k, np.uint8))
    look = Pictures((64, 80), beside=tmp_path / "clock.mp4", background="transparent")
    export(talking(40, 25), tmp_path / "a.png", OutputOptions(pictures=look), face=head)
    pictures = [np.asarray(Image.open(f)) for f in sorted((tmp_path / "a").iterdir())]
    assert {p.shape for p in pictures} == {(80, 120 + 64, 4)}
    assert all((p[:, :120, 3] == 255).all() for p in pictures)
    greys = np.array([p[20:60, 20:100, :3].mean() for p in pictures])
    seen = (greys[:25] - 60) / 4 / 30  # seconds
    assert np.abs(seen - np.arange(25) / 25).max() <= 0.5 / 30 + 0.3 / 30
    assert np.ptp(greys[25:]) < 1
    assert greys[25] == pytest.approx(0.35 * greys[24], abs=2)
    alone = export(
        talking(40, 25),
        tmp_path / "b.png",
        OutputOptions(pictures=dataclasses.replace(look, beside=None)),
        face=head,
    )
    np.testing.assert_array_equal(
        pictures[30][:, 120:], np.asarray(Image.open(alone[0] / "b_0031.png"))
    )


CLAPS = (0.2, 0.62, 0.87)  # s, roughly: each is on a frame
RATES = {"25": 25.0, "29.97": 30_000 / 1001, "60": 60.0}


def rising(times: np.ndarray, loud: np.ndarray, apart: float = 0.15) -> np.ndarray:
    """Times at which something begins that was not there for a while."""
    begun: list[float] = []
    last = -np.inf
    for time in times[loud]:
        if time - last > apart:
            begun.append(time)
        last = time
    return np.array(begun)


def claps_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """When the mouth opens and when it is heard, in seconds of the container's clock, as players keep it."""
    times, changes, first = [], [], None
    with av.open(str(path)) as video:
        for frame in video.decode(video=0):
            picture = frame.to_ndarray(format="gray").astype(float)
            first = picture if first is None else first
            times.append(frame.time)
            changes.append(np.abs(picture - first).mean())
    seen = rising(np.array(times), np.array(changes) > 0.5 * max(changes))
    clock, sound = [], []
    with av.open(str(path)) as video:
        for frame in video.decode(audio=0):
            samples = frame.to_ndarray()[0]
            clock.append(frame.time + np.arange(len(samples)) / frame.sample_rate)
            sound.append(np.abs(samples))
    loud = np.concatenate(sound)
    return seen, rising(np.concatenate(clock), loud > 0.25 * loud.max())


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("rate", RATES)
def test_a_clap_is_seen_when_it_is_heard(
    rate: str, suffix: str, head: Face, tmp_path: Path
) -> None:
    fps = RATES[rate]
    frames = [round(clap * fps) for clap in CLAPS]
    weights = np.zeros((round(1.1 * fps), 52), np.float32)
    sound = np.zeros(round(1.1 * 16_000), np.float32)
    noise = np.random.default_rng(0).uniform(-0.8, 0.8, 320)
    for frame in frames:
        weights[frame : frame + 3, JAW] = 1
        start = round(frame / fps * 16_000)
        sound[start : start + len(noise)] = noise
    export(
        MotionClip("arkit52", fps, weights),
        tmp_path / f"a{suffix}",
        OutputOptions(fps=float(rate), pictures=Pictures((64, 64), camera="close")),
        face=head,
        audio=(sound, 16_000),
    )
    seen, heard = claps_of(tmp_path / f"a{suffix}")
    assert len(seen) == len(heard) == len(CLAPS)
    # Measured: 0.75 ms at most, in WebM, whose clock has whole milliseconds.
    np.testing.assert_allclose(seen, np.array(frames) / fps, atol=0.002)
    np.testing.assert_allclose(heard, seen, atol=0.005)
