"""Makes the packaged sample: a reference video of a made-up person, and two lines to speak.

    apt-get install espeak-ng
    python tools/build_sample.py

Voices are espeak-ng's. The person is the embedded head with a drawn identity, and moves as the shipped
expression adapter says, in a talking style of their own (`Manner`) that is far from the neutral one, so
that one sees whether a style was learned. All randomness is seeded. Run it after a change of the head;
the weights need not be those of today, since the video only has to be of somebody who talks.
"""

import argparse
import subprocess
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from adamesh.checkpoints.expression import load_expression_adapter
from adamesh.faces.embedded import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.media.video import VideoWriter
from adamesh.motion.blinks import BlinkStatistics
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.spaces import ARKIT52, EYE_LOOK
from adamesh.pipeline.animate import animate
from adamesh.pipeline.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH, SAMPLE_SPEECH_2
from adamesh.pipeline.style import Style, default_style
from adamesh.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from adamesh.render.camera import Camera
from adamesh.render.renderer import HeadRenderer
from adamesh.tracking.landmarker import FaceLandmarker
from adamesh.tracking.track import NECK_SHARE, track_video

REFERENCE_VOICE = "en-us+m3"
REFERENCE_TEXT = (
    "Good morning, everybody! My brother Bob bought five purple apples and a big map. "
    "We think they were far too cheap, but who am I to judge? Maybe he should open a shop."
)
SPEECH_VOICE = "en-gb+f2"
SPEECH_TEXTS = {
    SAMPLE_SPEECH: "Hello, I have never said this before, but you may watch me say it now.",
    SAMPLE_SPEECH_2: "Please bring warm bread, fresh fish, and a bottle of the very best water.",
}
WORDS_PER_MINUTE = 160

SEED = 5
SIZE = 384  # pixels
SPEECH_BIT_RATE = 40_000  # bit/s
MOST_BYTES = {SAMPLE_REFERENCE: 600_000, SAMPLE_SPEECH: 60_000, SAMPLE_SPEECH_2: 60_000}

OPENING = (  # what opens the mouth, and what closes the lips over an open jaw
    "jawOpen",
    "mouthClose",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
)


OFTEN = BlinkStatistics(rate_hz=0.7, duration_s=0.22, duration_spread_s=0.03, amplitude=0.95)


@dataclass(frozen=True)
class Manner:
    """How the person in the reference differs from the neutral style.

    Attributes:
        opening: factor on everything in `OPENING`.
        left_smile: added to mouthSmileLeft.
        left_brow: added to browOuterUpLeft.
        emphasis: added to it at the loudest syllables.
        blinks: they blink often, and fast.
        nod: radians that the head goes down at the loudest syllables.
        sway: radians, amplitudes of the slow turn to the sides and of the tilt.
        glance: radians to the left, once, in the middle.
    """

    opening: float = 1.3
    left_smile: float = 0.25
    left_brow: float = 0.25
    emphasis: float = 0.45
    blinks: BlinkStatistics = OFTEN
    nod: float = np.radians(7.0)
    sway: tuple[float, float] = (np.radians(6.0), np.radians(3.5))
    glance: float = np.radians(14.0)


def speak(text: str, voice: str) -> NDArray[np.float32]:
    """[N] mono samples at `SAMPLE_RATE`, at 70 % of full scale."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["espeak-ng", "-v", voice, "-s", str(WORDS_PER_MINUTE), "-w", str(path), text]
        subprocess.run(command, check=True)
        samples = load_audio(path)
    return 0.7 * samples / np.abs(samples).max()


def write_opus(path: Path, samples: NDArray[np.float32]) -> None:
    """Samples [N] at `SAMPLE_RATE` as a small Ogg file, the same bytes each time."""
    rate = 48_000  # Hz, Opus' own
    block = soxr.resample(samples, SAMPLE_RATE, rate).astype(np.float32)
    with av.open(str(path), "w", format="ogg", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libopus", rate=rate, layout="mono")
        stream.bit_rate = SPEECH_BIT_RATE
        frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def loudness(samples: NDArray[np.float32], frames: int, seconds: float) -> NDArray[np.float64]:
    """[frames] 0..1, smoothed over `seconds`."""
    padded = np.zeros(frames * SAMPLES_PER_FRAME)
    padded[: len(samples)] = samples
    level = np.sqrt(np.square(padded.reshape(frames, -1)).mean(1))
    smooth = gaussian_filter1d(level, seconds * FPS, mode="constant")
    return smooth / smooth.max()


def perform(
    samples: NDArray[np.float32], style: Style, manner: Manner, checkpoint: Path | None
) -> MotionClip:
    """The person's motion while they say `samples`."""
    model = load_expression_adapter(checkpoint)
    style = replace(style, blinks=manner.blinks)
    clip = animate(samples, style, pose="off", seed=SEED, model=model)
    expression = clip.expression.copy()
    expression[:, [ARKIT52.index(name) for name in OPENING]] *= manner.opening
    expression[:, ARKIT52.index("mouthSmileLeft")] += manner.left_smile
    emphasis = np.clip(2 * loudness(samples, clip.frames, seconds=0.1) - 1, 0, 1)
    lift = manner.left_brow + manner.emphasis * gaussian_filter1d(emphasis, 2)
    expression[:, ARKIT52.index("browOuterUpLeft")] += lift.astype(np.float32)

    time = np.arange(clip.frames) / FPS
    down = manner.nod * (loudness(samples, clip.frames, seconds=0.2) - 0.5)
    turn = manner.sway[0] * np.sin(2 * np.pi * 0.17 * time)
    tilt = manner.sway[1] * np.sin(2 * np.pi * 0.11 * time + 1)
    head = np.stack([down, turn, tilt], axis=1)
    # The eyes stay on the camera while the head moves, except for a glance.
    aside = gaussian_filter1d((np.abs(time - time[-1] / 2) < 0.4) * manner.glance, 1.0)
    eyes = np.stack([-down, -turn + aside, np.zeros(clip.frames)], axis=1).astype(np.float32)
    expression[:, EYE_LOOK] = eye_rotation_to_look(eyes, eyes)
    return replace(
        clip,
        expression=expression.clip(0, 1),
        neck_pose=head * NECK_SHARE,
        head_pose=head * (1 - NECK_SHARE),
        leye_pose=eyes,
        reye_pose=eyes,
    )


def film(clip: MotionClip, samples: NDArray[np.float32], path: Path) -> None:
    """Renders a person with an identity and a skin of their own."""
    face = load_embedded_face()
    rng = np.random.default_rng(SEED)
    betas = torch.from_numpy(rng.normal(0, 0.8, (1, face.n_betas)).clip(-2, 2)).float()
    tint = np.array([0.80, 0.74, 0.72])
    colors = np.clip(face.colors.numpy() * tint, 0, 1)
    pose = {
        name: torch.from_numpy(getattr(clip, name))
        for name in ("expression", "neck_pose", "head_pose", "leye_pose", "reye_pose")
    }
    target = face.landmarks(face(betas=betas).vertices)[0].mean(0).numpy()
    camera = Camera.looking_at(target, size=(SIZE, SIZE), height=0.27, distance=0.9)
    with (
        torch.no_grad(),
        HeadRenderer(face, (SIZE, SIZE), camera, (0.42, 0.50, 0.55), colors) as renderer,
        VideoWriter(path, FPS, SIZE, SIZE, (samples, SAMPLE_RATE)) as video,
    ):
        for t in range(clip.frames):
            frame = {name: x[t : t + 1] for name, x in pose.items()}
            video.write(renderer.render(face(betas=betas, **frame).vertices[0].numpy()))


def check(path: Path) -> None:
    """A sample that the tracker loses in a single frame is no sample."""
    landmarker = FaceLandmarker()
    tracked = track_video(path, landmarker=landmarker)
    unseen = int((tracked.clip.confidence == 0).sum())
    turned = np.degrees(np.linalg.norm(tracked.fit.rotation, axis=1).max())
    print(
        f"{path.name}: {tracked.clip.duration:.1f} s, {unseen} frames without a face, "
        f"residual {tracked.residual_percent:.2f} %, turned by at most {turned:.0f} degrees"
    )
    if unseen:
        raise SystemExit("the face is not found in every frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="expression adapter; default: the shipped")
    parser.add_argument("--style", type=Path, help="neutral style of it; default: the shipped")
    options = parser.parse_args()
    SAMPLE_REFERENCE.parent.mkdir(exist_ok=True)
    for path, text in SPEECH_TEXTS.items():
        samples = speak(text, SPEECH_VOICE)
        write_opus(path, samples)
        print(f"{path.name}: {len(samples) / SAMPLE_RATE:.1f} s")
    samples = speak(REFERENCE_TEXT, REFERENCE_VOICE)
    style = Style.load(options.style) if options.style else default_style()
    film(perform(samples, style, Manner(), options.checkpoint), samples, SAMPLE_REFERENCE)
    check(SAMPLE_REFERENCE)
    for path, most in MOST_BYTES.items():
        size = path.stat().st_size
        print(f"{path.name}: {size} bytes")
        if size > most:
            raise SystemExit(f"{path.name} is larger than {most} bytes")


if __name__ == "__main__":
    main()
