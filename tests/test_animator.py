"""An Animator gives what `animate` gives, and makes what its speeches share only once."""

import numpy as np
import pytest
import torch
from support.other_faces import other_flame_face

from adamesh.animation import animator as module
from adamesh.animation import style as style_module
from adamesh.animation.animator import Animator, animate
from adamesh.animation.options import MotionOptions
from adamesh.animation.sample import SAMPLE_SPEECH
from adamesh.animation.style import default_style
from adamesh.checkpoints import networks
from adamesh.faces import library, load_embedded_face, save_face
from adamesh.faces.library import check_new_face, load_named_face
from adamesh.media.audio import load_audio
from adamesh.retargeting import fit_to_face
from adamesh.retargeting.retarget import retargeter


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE_SPEECH)[:32_000]


def test_one_animator_is_many_calls(speech: np.ndarray) -> None:
    options = MotionOptions(pose="generated", seed=5)
    animator = Animator(None, options)
    first, second = animator.animate(speech), animator.animate(speech[:16_000])
    for clip, part in (
        (first, speech),
        (second, speech[:16_000]),
        (animator.animate(speech), speech),
    ):
        expected = animate(part, None, options)
        for name in ("expression", "neck_pose", "head_pose", "leye_pose", "reye_pose"):
            np.testing.assert_array_equal(getattr(clip, name), getattr(expected, name))


def test_what_speeches_share_is_made_once(
    speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    for owner, name in (
        (networks, "load_network"),
        (style_module, "plan_loop"),
        (networks, "fingerprint"),
    ):
        whole = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *a, name=name, whole=whole, **k: made.append(name) or whole(*a, **k)
        )
    animator = Animator()
    animator.animate(speech)
    assert made.count("plan_loop") == 1
    made.clear()
    animator.animate(speech)
    animate(speech, animator.style)
    assert not set(made) & {"load_network", "plan_loop"}


def test_the_base_model_is_left_as_it_is(speech: np.ndarray) -> None:
    base = networks.load_network(module.ExpressionAdapter)
    before = {name: x.clone() for name, x in base.state_dict().items()}
    Animator(default_style(), model=base).animate(speech)
    assert all(torch.equal(x, before[name]) for name, x in base.state_dict().items())


def test_a_face_that_is_read_again_is_the_same_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its registration with another face is kept; a file that changed is another face."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    path = check_new_face("other", force=False)
    save_face(other_flame_face().replace(name="other"), path)
    face = load_named_face("other")
    assert load_named_face("other") is face
    retargeter.cache_clear()
    clip = animate(np.zeros(16_000, np.float32), None, MotionOptions(pose="off"))
    for _ in range(2):
        fit_to_face(clip, load_named_face("other"))
    assert retargeter.cache_info().misses == 1
    save_face(face.replace(template=face.template + 0.01), path)
    changed = load_named_face("other")
    assert changed is not face
    assert not torch.equal(changed.template, face.template)
    assert library._loaded.cache_info().maxsize is not None, "faces are large"
    assert load_named_face() is load_embedded_face()
