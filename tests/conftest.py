"""What all tests share. Small, random but fixed: the strong tests bring their own data."""

import fcntl
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from adamesh.motion.clip import MotionClip

# Machines differ in speed, so time is no reason to fail; and a failure must come again.
settings.register_profile("adamesh", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("adamesh")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Threads that wait for a core make small operations many times slower on a busy machine."""
    import torch

    torch.set_num_threads(1)


def seed_everything() -> None:
    import torch

    random.seed(20231007)
    np.random.seed(20231007)
    torch.manual_seed(20231007)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Iterator[None]:
    """What a fixture draws is the same whichever test asks for it first."""
    seed_everything()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """What a test draws is the same whatever ran before it."""
    seed_everything()
    return (yield)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20231007)


@pytest.fixture(scope="session")
def sample_clip(tmp_path_factory: pytest.TempPathFactory) -> MotionClip:
    """The sample's reference, tracked once for all processes of a run: it takes seconds."""
    from adamesh.animation.sample import SAMPLE_REFERENCE
    from adamesh.tracking.track import track_video

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose folder lies in that of the run
        folder = folder.parent
    path = folder / "sample_clip.npz"
    with (folder / "sample_clip.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            track_video(SAMPLE_REFERENCE).clip.save(path)
    return MotionClip.load(path)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The training data folder; only for tests marked `shared_data`."""
    return Path(os.environ["ADAMESH_DATA"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "ADAMESH_DATA" in os.environ:
        return
    skip = pytest.mark.skip(reason="set ADAMESH_DATA to the training data folder to run this")
    for item in items:
        if "shared_data" in item.keywords:
            item.add_marker(skip)
