"""Makes the neutral style that is used when no reference is given.

    python tools/build_default_style.py CORPUS TRACKS --head-motion VIDEO --gain GAIN

Its resting face is the mean over all training people with the lips shut, its amplitude their median, its
identity the average face, its blinks, gaze, brows and squints the population's. Its head and eye motion is
that of one training video, calmed. GAIN gives back what regression takes away of strangers' amplitude;
docs/decisions/training.md says how it was found.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

import torch

from adamesh.alignment import in_time
from adamesh.animation.adapt import eye_rotation
from adamesh.animation.pose import learn_pose
from adamesh.animation.style import Style
from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.data.corpus import read_corpus
from adamesh.data.sound_offsets import delays
from adamesh.faces.library import load_named_face
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import opening_direction
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import BlinkStatistics
from adamesh.motion.brows import BrowStatistics
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import head_rotation, over_joints
from adamesh.motion.regression import regression_target
from adamesh.motion.saccades import GazeStatistics
from adamesh.motion.spaces import EYE_LOOK
from adamesh.motion.squints import POPULATION_SLOPE
from adamesh.rates import FPS, SAMPLES_PER_FRAME

OUTPUT = Path(__file__).parent.parent / "src/adamesh/assets/default.style"
CALM = 0.6  # of the head's and eyes' rotations
LONGEST = 20  # s of head motion
FEW_SECONDS = 5.0  # people with less say nothing of how people rest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--head-motion", required=True, help="path of a video as in video.csv")
    parser.add_argument("--gain", type=float, required=True, help="factor on strangers' amplitude")
    arguments = parser.parse_args()
    model = load_network(ExpressionAdapter)
    face = load_named_face(model.config.face)
    people: dict[str, list[torch.Tensor]] = {}
    moving = None
    for video in read_corpus(arguments.corpus, arguments.tracks):
        if video.split != "train" or not video.track.exists():
            continue
        clip = MotionClip.load(video.track).resample(FPS)
        people.setdefault(video.speaker, []).append(torch.from_numpy(regression_target(clip)))
        if video.name == arguments.head_motion:
            moving = clip.slice(0, min(clip.frames, LONGEST * FPS))
            late = delays(arguments.tracks).get(video.name, 0.0)
            moving_speech = in_time(load_audio(video.path), late)
    if moving is None:
        parser.error(f"{arguments.head_motion} is not a tracked training video")
    shown = [torch.cat(clips) for clips in people.values()]
    baselines = [Baseline.of(face, x) for x in shown if len(x) >= FEW_SECONDS * FPS]
    rest = torch.stack([baseline.rest for baseline in baselines]).mean(0)
    rest[EYE_LOOK] = 0.0
    shut = 1000 * float(rest @ opening_direction(face)[1])
    assert shut < 0, f"the mean of shut mouths is {shut:.1f} mm open"
    head, eyes = head_rotation(moving), eye_rotation(moving)
    pose = learn_pose(head, moving_speech[: moving.frames * SAMPLES_PER_FRAME])
    Style(
        base=fingerprint(model),
        branches=(),
        molora={},
        embedding=torch.zeros(model.config.style_dim),
        betas=torch.zeros(model.config.identity_dim),
        baseline=Baseline(rest, statistics.median(b.amplitude for b in baselines)),
        gain=arguments.gain,
        pose=replace(pose, deviation=(CALM * pose.deviation).astype("float32")),
        head_motion=(CALM * over_joints(head)).astype("float32"),
        eye_motion=(CALM * (eyes - eyes.mean(0))).astype("float32"),
        blinks=BlinkStatistics(),
        gaze=GazeStatistics(),
        brows=BrowStatistics(),
        squint_slope=POPULATION_SLOPE,
        source="neutral",
    ).save(OUTPUT, force=True)
    print(f"{OUTPUT.name}: {len(people)} people, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
