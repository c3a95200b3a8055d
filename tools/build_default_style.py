"""Makes the neutral style that is used when no reference is given.

    python tools/build_default_style.py CORPUS TRACKS --config configs/expression.yaml --head-motion VIDEO

Its embedding is the mean over all training people, each counted once, its amplitude their median and a
little more, its identity the average face, its blinks and gaze the population's. Its head and eye motion
is that of one training video, calmed.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from adamesh.checkpoints.networks import fingerprint, load_network
from adamesh.data.corpus import Video, read_corpus
from adamesh.data.sequences import load_sound
from adamesh.faces import load_embedded_face
from adamesh.features import features_for_frames, load_features
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import BlinkStatistics
from adamesh.motion.clip import MotionClip
from adamesh.motion.head import head_rotation, over_joints
from adamesh.motion.regression import regression_target
from adamesh.motion.saccades import GazeStatistics
from adamesh.pipeline.adapt import eye_rotation
from adamesh.pipeline.amplitude import amplitude_gain
from adamesh.pipeline.pose import learn_pose
from adamesh.pipeline.style import Style
from adamesh.rates import FPS, SAMPLES_PER_FRAME
from adamesh.training.config import load_training_config
from adamesh.training.expression import ExpressionTraining

OUTPUT = Path(__file__).parent.parent / "src/adamesh/assets/default.style"
CALM = 0.6  # of the head's and eyes' rotations
# The voices of strangers move the network less than those it was trained on: with the amplitude of the
# training people alone, validation people's mouths deviate by 0.67 of the seen deviation (median).
STRANGERS = 1.25
CLIPS = 20  # of a person, for the amplitude
LONGEST = 20  # s of head motion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--head-motion", required=True, help="path of a video as in video.csv")
    parser.add_argument("--config", type=Path, required=True, help="of the expression adapter")
    arguments = parser.parse_args()
    model = load_network(ExpressionAdapter)
    delays = load_training_config(ExpressionTraining, arguments.config).sound_delays
    people: dict[str, list[torch.Tensor]] = {}
    speech: dict[str, list[tuple[Video, torch.Tensor]]] = {}
    moving = None
    for video in read_corpus(arguments.corpus, arguments.tracks):
        if video.split != "train" or not video.track.exists():
            continue
        clip = MotionClip.load(video.track).resample(FPS)
        target = torch.from_numpy(regression_target(clip))
        people.setdefault(video.speaker, []).append(target)
        if len(speech.setdefault(video.speaker, [])) < CLIPS:
            speech[video.speaker].append((video, target))
        if video.path == arguments.corpus / arguments.head_motion:
            moving = clip.slice(0, min(clip.frames, LONGEST * FPS))
            moving_speech = load_sound(video, delays.get(video.name, 0.0))
    if moving is None:
        parser.error(f"{arguments.head_motion} is not a tracked training video")
    embeddings = [model.encode_style(torch.cat(clips)[None, :1500]) for clips in people.values()]
    head, eyes = head_rotation(moving), eye_rotation(moving)
    pose = learn_pose(head, moving_speech[: moving.frames * SAMPLES_PER_FRAME])
    neutral = torch.cat(embeddings).mean(0)
    betas = torch.zeros(model.config.identity_dim)
    extract = load_features(model.config.features)
    gains = []
    for spoken in speech.values():
        frames = [len(target) for _, target in spoken]
        generated = []
        for (video, _), n in zip(spoken, frames, strict=True):
            features = features_for_frames(
                extract, load_sound(video, delays.get(video.name, 0.0)), n + model.config.lookahead
            )
            generated.append(model.predict(features, neutral[None], betas[None]))
        gains.append(
            amplitude_gain(
                load_embedded_face(),
                torch.cat(generated),
                torch.cat([target for _, target in spoken]),
            )
        )
    Style(
        base=fingerprint(model),
        branches=(),
        molora={},
        embedding=neutral,
        betas=betas,
        gain=STRANGERS * statistics.median(gains),
        pose=replace(pose, deviation=np.float32(CALM) * pose.deviation),
        head_motion=CALM * over_joints(head),
        eye_motion=CALM * (eyes - eyes.mean(0)),
        blinks=BlinkStatistics(),
        gaze=GazeStatistics(),
        source="neutral",
    ).save(OUTPUT, force=True)
    print(f"{OUTPUT.name}: {len(people)} people, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
