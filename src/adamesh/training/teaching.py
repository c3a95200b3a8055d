"""Speech without video, with the motion that several trained adapters agree on.

Minutes of video show few people; hours of speech have hundreds of voices. Networks of different seeds err
differently, and their mean less than each: what it says of those voices is what another network learns from.
The teachers hear whole recordings; the pupil hears them as a stream too, and learns what it cannot know yet.
"""

from collections.abc import Iterable

import numpy as np
import torch

from adamesh.data.sequences import TAUGHT, Sequence, onsets, shut_frames, speech_activity
from adamesh.data.speech import Recording
from adamesh.faces.face import Face
from adamesh.features import SpeechFeatures
from adamesh.media.audio import load_audio
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.progress import Progress, no_progress
from adamesh.rates import FEATURES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME


def taught_sequences(
    recordings: list[Recording],
    teachers: Iterable[ExpressionAdapter],
    features: tuple[SpeechFeatures, ...],
    face: Face,
    *,
    progress: Progress = no_progress,
) -> list[Sequence]:
    """One sequence a recording; its motion is the mean of what the teachers give a stranger.

    Args:
        features: the first one is what the teachers hear.
    """
    sequences = []
    for number, recording in enumerate(recordings):
        samples = load_audio(recording.path)
        frames = len(samples) // SAMPLES_PER_FRAME
        voices = [extract(np.pad(samples, (0, SAMPLE_RATE))) for extract in features]
        given = []
        for teacher in teachers:
            config = teacher.config
            heard = voices[0][: (frames + config.lookahead) * FEATURES_PER_FRAME]
            nobody = torch.zeros(1, config.style_dim), torch.zeros(1, config.identity_dim)
            given.append(teacher.predict(heard, *nobody)[0])
        motion = torch.stack(given).mean(0)
        sequences.append(
            Sequence(
                name=recording.name,
                speaker=TAUGHT,
                voices=tuple(voice.half() for voice in voices),
                motion=motion,
                shut=shut_frames(mouth_opening(face, motion)),
                activity=speech_activity(samples, frames),
                onsets=onsets(samples, frames),
                betas=torch.zeros(face.n_betas),
                baseline=Baseline(torch.zeros(motion.shape[1]), 1.0),
            )
        )
        progress("load speech", number + 1, len(recordings))
    return sequences
