"""The three clocks of the program, and the only place where one is turned into another."""

FPS = 25  # motion frames per second inside the models
SAMPLE_RATE = 16_000  # speech samples per second
FEATURE_RATE = 50  # speech feature frames per second

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS  # 640
SAMPLES_PER_FEATURE = SAMPLE_RATE // FEATURE_RATE  # 320
FEATURES_PER_FRAME = FEATURE_RATE // FPS  # 2


def frames_in(n_samples: int) -> int:
    """Number of motion frames that cover `n_samples` of speech at `SAMPLE_RATE`.

    A last, partly filled frame counts: motion never ends before the sound does.
    """
    return -(-n_samples // SAMPLES_PER_FRAME)


def exact_fps(fps: float) -> float:
    """The rate that a rounded NTSC rate stands for: 29.97 is 30000/1001; others are as they are.

    Over an hour 29.97 taken literally would be 3.6 ms off an editor's timeline.
    """
    for whole in (24, 30, 48, 60, 120):
        exact = whole * 1000 / 1001
        if abs(fps - exact) < 0.005:
            return exact
    return fps
