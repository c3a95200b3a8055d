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
