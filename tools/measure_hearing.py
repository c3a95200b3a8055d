"""How well lips follow speech that is quiet, noisy, cut off in the band or in a room, and Mandarin.

    python tools/measure_hearing.py CORPUS TRACKS
    python tools/measure_hearing.py CORPUS TRACKS --rig CORPUS/motion/facegood_shirley

The first table is of the validation people of the corpus without GRID: median correlation of the mouth's
opening, generated with the neutral style, with the tracked one, the sound moved to the lips. The second is of
rig weights that were solved from video of a Mandarin speaker (FACEGOOD-Audio2Face), who is in no training.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

from adamesh.animation.expression import predict_expression
from adamesh.animation.style import default_style
from adamesh.audio.voice import coloured_noise, mains_hum, through_codec
from adamesh.checkpoints.networks import load_network
from adamesh.data.corpus import read_corpus
from adamesh.evaluation.sync import SAME_TASK, SHORTEST_PERSON, load_people
from adamesh.faces import load_embedded_face
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import closure_f1, mouth_opening
from adamesh.metrics.sync import pearson, synchrony
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.clip import MotionClip
from adamesh.motion.regression import regression_target
from adamesh.motion.spaces import ARKIT52
from adamesh.rates import FPS, SAMPLE_RATE

# FACEGOOD's rig -> ARKit; both sides of its mouth move alike.
RIG = {
    "mouth_stretch_c": ("jawOpen",),
    "mouth_lowerLipDepress": ("mouthLowerDownLeft", "mouthLowerDownRight"),
    "mouth_upperLipRaise": ("mouthUpperUpLeft", "mouthUpperUpRight"),
    "mouth_funnel": ("mouthFunnel",),
    "mouth_pucker": ("mouthPucker",),
    "mouth_press_": ("mouthPressLeft", "mouthPressRight"),
}


def altered() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What is done to the sound; every word stays at its time."""
    rng = np.random.default_rng(0)
    band = butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE, output="sos")

    def with_sound(kind: Callable[..., np.ndarray], decibels: float) -> Callable[..., np.ndarray]:
        return lambda x: x + 10 ** (decibels / 20) * x.std() * kind(len(x), rng)

    return {
        "as it is": lambda x: x,
        "20 dB softer": lambda x: 0.1 * x,
        "40 dB softer": lambda x: 0.01 * x,
        "noise, 15 dB below": with_sound(coloured_noise, -15),
        "noise, 5 dB below": with_sound(coloured_noise, -5),
        "hum, 5 dB below": with_sound(mains_hum, -5),
        "300 to 3400 Hz": lambda x: sosfiltfilt(band, x),
        "Opus at 8 kbit/s": lambda x: through_codec(x, "libopus", "ogg", 16_000, 8_000),
    }


def people_table(corpus: Path, tracks: Path) -> None:
    model, style, face = load_network(ExpressionAdapter), default_style(), load_embedded_face()
    videos = [v for v in read_corpus(corpus, tracks) if v.split == "valid"]
    people = [
        p
        for p in load_people(videos, tracks)
        if p.seconds >= SHORTEST_PERSON and not p.name.startswith(SAME_TASK)
    ]
    for name, change in altered().items():
        found = []
        for person in people:
            curves = []
            for clip, speech in zip(person.clips, person.speech, strict=True):
                heard = np.asarray(change(speech), np.float32)
                generated = predict_expression(model, style, heard, clip.frames)
                seen = torch.from_numpy(regression_target(clip))
                curves.append([mouth_opening(face, x).numpy() for x in (generated, seen)])
            ours, theirs = (np.concatenate(side) for side in zip(*curves, strict=True))
            found.append(pearson(ours, theirs))
        print(f"{name:<20} median r {np.median(found):.2f}  least {min(found):.2f}", flush=True)


def rig_table(folder: Path) -> None:
    model, style, face = load_network(ExpressionAdapter), default_style(), load_embedded_face()
    files = sorted(folder.glob("*.npz"))
    sounds = [load_audio(file.with_suffix(".opus")) for file in files]
    seen, right, wrong = [], [], []
    for i, file in enumerate(files):
        with np.load(file) as arrays:
            weights, fps = arrays["weights"], float(arrays["fps"])
            names = [str(name) for name in arrays["names"]]
        expression = np.zeros((len(weights), len(ARKIT52)), np.float32)
        for prefix, actions in RIG.items():
            columns = [k for k, name in enumerate(names) if name.startswith(prefix)]
            for action in actions:
                expression[:, ARKIT52.index(action)] = weights[:, columns].mean(1)
        clip = MotionClip("arkit52", fps, expression.clip(0, 1)).resample(FPS)
        other = np.resize(sounds[(i + 1) % len(files)], len(sounds[i]))
        for curves, x in (
            (seen, torch.from_numpy(clip.expression)),
            (right, predict_expression(model, style, sounds[i], clip.frames)),
            (wrong, predict_expression(model, style, other, clip.frames)),
        ):
            curves.append(mouth_opening(face, x).numpy())
    joined = [np.concatenate(x) for x in (seen, right, wrong)]
    figures = [synchrony(x, joined[0]) for x in joined[1:]]
    closed = [closure_f1(x, joined[0]) for x in joined[1:]]
    seconds = len(joined[0]) / FPS
    print(f"Mandarin, {seconds:.0f} s of rig weights: r {figures[0].correlation:.2f}", end="")
    print(f" ({figures[0].best_correlation:.2f} at {1000 * figures[0].best_lag:+.0f} ms)", end="")
    print(f", wrong speech {figures[1].correlation:.2f}", end="")
    print(f"; closures F1 {closed[0]:.2f}, wrong speech {closed[1]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--rig", type=Path, help="folder of FACEGOOD's .npz and .opus")
    arguments = parser.parse_args()
    people_table(arguments.corpus, arguments.tracks)
    if arguments.rig is not None:
        rig_table(arguments.rig)


if __name__ == "__main__":
    main()
