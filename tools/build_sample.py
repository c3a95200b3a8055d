"""Makes the packaged sample: a reference video of a made-up person, and two lines to speak.

    apt-get install espeak-ng
    python tools/build_sample.py

The voices are espeak-ng's, which also says when it speaks each phone. The person is the embedded head with
a drawn identity. Their lips follow the phones by a table (`SHAPES`), so that the sample depends on no
trained weights, in a talking style of their own (`Manner`) that is far from neutral, so that one sees
whether a style was learned. Everything random is seeded. Run it after a change of the head.
"""

import ctypes
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from adamesh.animation.sample import SAMPLE_REFERENCE, SAMPLE_SPEECH, SAMPLE_SPEECH_2
from adamesh.faces.embedded import load_embedded_face
from adamesh.media.video import VideoWriter
from adamesh.motion.blinks import BlinkStatistics, add_blinks, sample_blinks
from adamesh.motion.clip import MotionClip
from adamesh.motion.gaze import eye_rotation_to_look
from adamesh.motion.head import over_joints
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK
from adamesh.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, frames_in
from adamesh.render.camera import Camera
from adamesh.render.renderer import HeadRenderer
from adamesh.tracking.track import track_video

REFERENCE_VOICE = "en-us+m3"
REFERENCE_TEXT = (
    "Good morning, everybody! My brother Bob bought five purple apples and a big map. "
    "We think they were far too cheap, but who am I to judge? Maybe he should open a shop."
)
SPEECH_VOICE = "gmw/en+f2"
SPEECH_TEXTS = {
    SAMPLE_SPEECH: "Hello, I have never said this before, but you may watch me say it now.",
    SAMPLE_SPEECH_2: "Please bring warm bread, fresh fish, and a bottle of the very best water.",
}
WORDS_PER_MINUTE = 160

SEED = 5
SIZE = 384  # pixels
SPEECH_BIT_RATE = 40_000  # bit/s
MOST_BYTES = {SAMPLE_REFERENCE: 600_000, SAMPLE_SPEECH: 60_000, SAMPLE_SPEECH_2: 60_000}

# ruff: noqa: RUF001, phonetic letters look like others
# Lip shapes of phones, by the letters of the phonetic alphabet. A name without a side means both.
SHAPES: dict[str, dict[str, float]] = {
    "pbm": {"mouthPress": 0.3},
    "fv": {"jawOpen": 0.06, "mouthRollLower": 0.45, "mouthUpperUp": 0.2},
    "aæɑ": {"jawOpen": 0.42, "mouthLowerDown": 0.25, "mouthStretch": 0.1},
    "ʌəɐɚ": {"jawOpen": 0.22, "mouthLowerDown": 0.15},
    "ɛe": {"jawOpen": 0.25, "mouthLowerDown": 0.25, "mouthStretch": 0.2},
    "iɪ": {"jawOpen": 0.12, "mouthLowerDown": 0.2, "mouthStretch": 0.3, "mouthSmile": 0.15},
    "ɔo": {"jawOpen": 0.3, "mouthFunnel": 0.45, "mouthPucker": 0.15},
    "uʊw": {"jawOpen": 0.1, "mouthFunnel": 0.25, "mouthPucker": 0.6},
    "ɹɜ": {"jawOpen": 0.12, "mouthFunnel": 0.3, "mouthPucker": 0.2},
    "ʃʒ": {"jawOpen": 0.08, "mouthFunnel": 0.5, "mouthUpperUp": 0.15},
    "θð": {"jawOpen": 0.12, "mouthLowerDown": 0.25},
    "sztdnlɾ": {"jawOpen": 0.08, "mouthLowerDown": 0.2, "mouthStretch": 0.1},
    "kɡŋhj": {"jawOpen": 0.15, "mouthLowerDown": 0.1},
}
CLOSED = SHAPES["pbm"]
OPENING = ("jawOpen", "mouthLowerDown", "mouthUpperUp")
LIPS_LEAD = 0.03  # s that the lips are ahead of the sound
LIPS_SMOOTH = 0.035  # s, standard deviation: phones run into one another
CLOSURE_SMOOTH = 0.018  # s; lips that meet must meet
CURVE_RATE = 1000  # Hz, at which the lips' curves are drawn


OFTEN = BlinkStatistics(rate_hz=0.7, duration_s=0.22, duration_spread_s=0.03, amplitude=0.95)


@dataclass(frozen=True)
class Manner:
    """How the person in the reference differs from the neutral style.

    Attributes:
        opening: factor on everything in `OPENING`.
        left_smile: mouthSmileLeft at stressed syllables. Not all the time, as this and the brow are no
            action to the tracker but the shape of the face if they never change in a video.
        left_brow: browOuterUpLeft at stressed syllables.
        blinks: they blink often, and fast.
        nod: radians that the head goes down at the loudest syllables.
        sway: radians, amplitudes of the slow turn to the sides and of the tilt.
        glance: radians to the left, once, in the middle.
    """

    opening: float = 1.3
    left_smile: float = 0.7
    left_brow: float = 0.9
    blinks: BlinkStatistics = OFTEN
    nod: float = np.radians(7.0)
    sway: tuple[float, float] = (np.radians(6.0), np.radians(3.5))
    glance: float = np.radians(14.0)


@dataclass(frozen=True)
class Phone:
    """One phone in the phonetic alphabet, or silence (empty), and when it starts."""

    start: float  # s
    name: str


class _Name(ctypes.Union):
    _fields_ = (("pointer", ctypes.c_void_p), ("text", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng's speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", _Name),
    )


class Espeak:
    """The speech synthesiser as a library, since its program does not tell the phones' times."""

    RETRIEVAL, PHONEME_EVENTS, PHONEME_IPA = 1, 1, 2
    PARAMETER_RATE, CHARS_UTF8 = 1, 1
    END_OF_LIST, PHONEME = 0, 7  # types of events

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        options = self.PHONEME_EVENTS | self.PHONEME_IPA
        self._rate = self._library.espeak_Initialize(self.RETRIEVAL, 0, None, options)
        self._library.espeak_SetParameter(self.PARAMETER_RATE, WORDS_PER_MINUTE, 0)

    def speak(self, text: str, voice: str) -> tuple[NDArray[np.float32], list[Phone]]:
        """Mono samples [N] at `SAMPLE_RATE`, at 70 % of full scale, and the phones in them."""
        blocks: list[NDArray[np.int16]] = []
        phones: list[Phone] = []

        def receive(wave: "ctypes._Pointer", count: int, events: "ctypes._Pointer") -> int:
            if wave and count:
                blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
            k = 0
            while events[k].type != self.END_OF_LIST:
                if events[k].type == self.PHONEME:
                    name = events[k].name.text.decode()
                    phones.append(Phone(events[k].audio_position / 1000, name))
                k += 1
            return 0

        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        callback = kind(receive)
        self._library.espeak_SetSynthCallback(callback)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SystemExit(f"espeak-ng has no voice '{voice}'")
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, self.CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = soxr.resample(np.concatenate(blocks) / 32768.0, self._rate, SAMPLE_RATE)
        return (0.7 * samples / np.abs(samples).max()).astype(np.float32), phones


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


def columns(name: str) -> list[int]:
    """The actions of a name of `SHAPES`: one, or a left and a right one."""
    found = [
        i for i, action in enumerate(ARKIT52) if action in (name, name + "Left", name + "Right")
    ]
    if not found:
        raise KeyError(name)
    return found


def lips(phones: list[Phone], frames: int) -> NDArray[np.float64]:
    """[frames, 52] how lips and jaw speak these phones."""
    ends = [phone.start for phone in phones[1:]] + [frames / FPS]
    curves = np.zeros((int(frames / FPS * CURVE_RATE), len(ARKIT52)))
    closure = np.zeros(len(curves))
    for phone, end in zip(phones, ends, strict=True):
        shapes = [shape for c in phone.name for key, shape in SHAPES.items() if c in key]
        edges = np.linspace(phone.start - LIPS_LEAD, end - LIPS_LEAD, len(shapes) + 1)
        edges = np.maximum(edges * CURVE_RATE, 0).astype(int)
        for shape, start, stop in zip(shapes, edges[:-1], edges[1:], strict=True):
            closure[start:stop] = shape is CLOSED
            for name, weight in shape.items():
                curves[start:stop, columns(name)] = weight
    curves = gaussian_filter1d(curves, LIPS_SMOOTH * CURVE_RATE, axis=0)
    closure = gaussian_filter1d(closure, CLOSURE_SMOOTH * CURVE_RATE)
    opening = [i for name in OPENING for i in columns(name)]
    curves[:, opening] *= 1 - np.clip(1.1 * closure, 0, 1)[:, None]
    return curves[np.arange(frames) * CURVE_RATE // FPS]


def perform(samples: NDArray[np.float32], phones: list[Phone], manner: Manner) -> MotionClip:
    """The person's motion while they say `samples`."""
    frames = frames_in(len(samples))
    expression = lips(phones, frames)
    expression[:, [i for name in OPENING for i in columns(name)]] *= manner.opening
    stress = np.clip(2.5 * loudness(samples, frames, seconds=0.15) - 1.1, 0, 1)
    stress = gaussian_filter1d(stress, 1.5)[:, None]
    expression[:, columns("mouthSmileLeft")] += manner.left_smile * stress
    expression[:, columns("browOuterUpLeft")] += manner.left_brow * stress
    closures = sample_blinks(frames, FPS, manner.blinks, np.random.default_rng(SEED))
    expression[:, EYE_BLINK] = add_blinks(expression[:, EYE_BLINK], closures)

    time = np.arange(frames) / FPS
    down = manner.nod * (loudness(samples, frames, seconds=0.2) - 0.5)
    turn = manner.sway[0] * np.sin(2 * np.pi * 0.17 * time)
    tilt = manner.sway[1] * np.sin(2 * np.pi * 0.11 * time + 1)
    head = np.stack([down, turn, tilt], axis=1)
    # The eyes stay on the camera while the head moves, except for a glance.
    aside = gaussian_filter1d((np.abs(time - time[-1] / 2) < 0.4) * manner.glance, 1.0)
    eyes = np.stack([-down, -turn + aside, np.zeros(frames)], axis=1).astype(np.float32)
    expression[:, EYE_LOOK] = eye_rotation_to_look(eyes, eyes)
    joints = over_joints(head)
    return MotionClip(
        "arkit52",
        FPS,
        expression.clip(0, 1),
        neck_pose=joints[:, 0],
        head_pose=joints[:, 1],
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
    camera = Camera.looking_at(target, size=(SIZE, SIZE), height=0.29, distance=0.9)
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
    tracked = track_video(path)
    unseen = int((tracked.clip.confidence == 0).sum())
    turned = np.degrees(np.linalg.norm(tracked.fit.rotation, axis=1).max())
    print(
        f"{path.name}: {tracked.clip.duration:.1f} s, {unseen} frames without a face, residual "
        f"{tracked.residual_percent:.2f} %, turned by at most {turned:.0f} degrees"
    )
    if unseen:
        raise SystemExit("the face is not found in every frame")


def main() -> None:
    SAMPLE_REFERENCE.parent.mkdir(exist_ok=True)
    espeak = Espeak()
    for path, text in SPEECH_TEXTS.items():
        samples, _ = espeak.speak(text, SPEECH_VOICE)
        write_opus(path, samples)
        print(f"{path.name}: {len(samples) / SAMPLE_RATE:.1f} s")
    samples, phones = espeak.speak(REFERENCE_TEXT, REFERENCE_VOICE)
    film(perform(samples, phones, Manner()), samples, SAMPLE_REFERENCE)
    check(SAMPLE_REFERENCE)
    for path, most in MOST_BYTES.items():
        size = path.stat().st_size
        print(f"{path.name}: {size} bytes")
        if size > most:
            raise SystemExit(f"{path.name} is larger than {most} bytes")


if __name__ == "__main__":
    main()
