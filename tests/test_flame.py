"""FLAME files of every edition, and the forward against smplx."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import torch
from support.flame_fixture import (
    EDITIONS,
    N_EYE,
    N_SKIN,
    ORIGIN,
    carried,
    flame_arrays,
    write_flame,
)
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces import Face, load_embedded_face, load_face, save_face
from adamesh.faces.flame import read_flame
from adamesh.motion.spaces import ARKIT52

POSES = {"neck_pose": 3, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "global_orient": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flame")


@pytest.fixture(scope="module")
def flame(folder: Path) -> Face:
    return read_flame(write_flame(folder / "generic_model.pkl"))


def random_coefficients(seed: int, batch: int, dtype: torch.dtype) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    widths = {"betas": 300, "expression": 100, **POSES, "transl": 3}
    return {
        key: torch.randn(batch, n, generator=g, dtype=dtype) * (0.4 if key in POSES else 1.0)
        for key, n in widths.items()
    }


# --- editions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_is_read_whole(folder: Path, edition: str) -> None:
    no_jaw = "no_jaw" in edition
    arrays = flame_arrays(jaw_in_expressions=no_jaw)
    face = read_flame(write_flame(folder / edition))
    assert face.space == "flame100"
    assert face.expression_names is None
    assert face.joint_names == tuple(
        joint for joint in ("root", "neck", "jaw", "leye", "reye") if joint != "jaw" or not no_jaw
    )
    for got, key in ((face.template, "v_template"), (face.triangles, "f")):
        np.testing.assert_allclose(got, arrays[key], atol=1e-7)
    np.testing.assert_allclose(face.shapedirs, arrays["shapedirs"][..., :300], atol=1e-7)
    np.testing.assert_allclose(face.expressiondirs, arrays["shapedirs"][..., 300:], atol=1e-7)
    joints = np.delete(arrays["J"], 2, axis=0) if no_jaw else arrays["J"]
    np.testing.assert_allclose(face.joints_template, joints, atol=1e-7)
    if no_jaw:
        with pytest.raises(InputError, match="no joint 'jaw'"):
            face(jaw_pose=torch.zeros(1, 3))
        assert face.joint_parents == (-1, 0, 1, 1)
        torch.testing.assert_close(face.skin_weights.sum(1), torch.ones(face.n_vertices))


def test_a_renamed_model_without_a_jaw_can_be_told(folder: Path) -> None:
    path = write_flame(folder / "generic_model.pkl")
    assert "jaw" not in read_flame(path, has_jaw=False).joint_names


def test_old_and_big_endian_and_fortran_arrays_are_the_same_numbers(tmp_path: Path) -> None:
    arrays = flame_arrays()
    arrays = arrays | {"shapedirs": arrays["shapedirs"][..., :350]}
    changed = {
        key: np.asfortranarray(value.astype(">f8" if value.dtype == float else ">u4"))
        for key, value in arrays.items()
    }
    path = tmp_path / "model.pkl"
    for protocol in (2, 5):
        path.write_bytes(pickle.dumps(changed, protocol))
        np.testing.assert_allclose(read_flame(path).template, arrays["v_template"], atol=1e-7)


def test_fewer_components_give_the_smaller_space(tmp_path: Path) -> None:
    arrays = flame_arrays() | {"shapedirs": flame_arrays()["shapedirs"][..., :360]}
    np.savez(tmp_path / "model.npz", **arrays)
    face = read_flame(tmp_path / "model.npz")
    assert face.space == "flame50"
    np.testing.assert_allclose(face.expressiondirs, arrays["shapedirs"][..., 300:350], atol=1e-7)


def test_a_converted_face_is_the_same(flame: Face, tmp_path: Path) -> None:
    save_face(flame, tmp_path / "face.safetensors")
    back = load_face(tmp_path / "face.safetensors")
    given = random_coefficients(1, 2, torch.float32)
    torch.testing.assert_close(back(**given).vertices, flame(**given).vertices)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posedirs": None}, "lacks posedirs"),
        ({"weights": np.zeros((5023, 4))}, r"weights has the shape \(5023, 4\), expected"),
        ({"weights": np.zeros((5023, 5))}, "weights are no shares"),
        ({"v_template": np.full((5023, 3), np.nan)}, "not finite"),
        ({"v_template": np.zeros((5000, 3))}, "of 5023 vertices, but v_template has 5000"),
        ({"f": np.array([[0, 1, 5023]])}, "beyond the 5023"),
        ({"kintree_table": np.zeros((2, 5), int)}, "kintree_table has the parents"),
        ({"shapedirs": np.zeros((5023, 3, 20))}, "has 20 components"),
        ({"f": np.array([["a", "b", "c"]])}, "f holds no numbers"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    arrays = {k: v for k, v in (flame_arrays() | change).items() if v is not None}
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_flame(tmp_path / "model.npz")


# --- the forward ----------------------------------------------------------------------------------


def test_the_forward_equals_smplx(folder: Path, flame: Face) -> None:
    """Vertices and joints of another implementation, on the same file."""
    import smplx

    np.savez(folder / "FLAME_NEUTRAL.npz", **flame_arrays())
    embedding = {"lmk_face_idx": np.zeros(1, int), "lmk_b_coords": np.full((1, 3), 1 / 3)}
    (folder / "flame_static_embedding.pkl").write_bytes(pickle.dumps(embedding))
    other = smplx.FLAME(str(folder), ext="npz", num_betas=300, num_expression_coeffs=100)
    given = random_coefficients(7, 4, torch.float32)
    expected = other(**given)
    got = flame(**given)
    assert (got.vertices - expected.vertices).abs().max() < 1e-5
    assert (got.joints - expected.joints[:, :5]).abs().max() < 1e-5
    # Not because nothing moves, and each of them matters.
    for key in given:
        less = {name: value for name, value in given.items() if name != key}
        assert (flame(**less).vertices - got.vertices).abs().max() > 1e-4, key


def test_its_gradients_are_exact(flame: Face) -> None:
    """Of a few vertices by all coefficients, through the correctives; float64, finite differences."""
    face = load_and_cast(flame)
    given = random_coefficients(5, 1, torch.float64)
    few = torch.tensor([0, 1500, N_SKIN, 5022])
    keys = tuple(given)

    def posed(*values: Tensor) -> Tensor:
        return face(**dict(zip(keys, values, strict=True))).vertices[:, few]

    inputs = tuple(value.requires_grad_() for value in given.values())
    assert torch.autograd.gradcheck(posed, inputs, fast_mode=True)


def load_and_cast(face: Face) -> Face:
    return Face(**face.attributes(), **face.tensors(), regions=face.regions).double()


# --- what the fixture promises of a FLAME model ---------------------------------------------------


def test_the_fixture_has_the_embedded_heads_shape(flame: Face) -> None:
    head = load_embedded_face()
    skin = carried(head, head.template) - ORIGIN
    np.testing.assert_allclose(flame.template[:N_SKIN], skin, atol=1e-6)
    assert flame.n_vertices == 5023
    assert flame.triangles.unique().numel() == 5023
    assert len(flame.regions["left_eyeball"]) == len(flame.regions["right_eyeball"]) == N_EYE


def test_its_mouth_opens_by_the_jaw_and_not_by_expression(flame: Face) -> None:
    head = load_embedded_face()
    opened = carried(head, head.expressiondirs[..., ARKIT52.index("jawOpen")])
    chin = opened[:, 1].argmin()

    def explained(directions: Tensor, limit: list[float]) -> float:
        """Share of jawOpen's squared displacement within reach of coefficients up to a limit."""
        basis = directions[:N_SKIN].double().numpy().reshape(3 * N_SKIN, -1)
        bounds = np.array(limit)
        found = scipy.optimize.lsq_linear(basis, opened.ravel(), (-bounds, bounds)).x
        left = opened.ravel() - basis @ found
        return 1 - float(left @ left / (opened**2).sum())

    turned = flame(jaw_pose=torch.tensor([[0.4, 0.0, 0.0]])).vertices[0]
    jaw = turned - flame.template
    plausible = [2.0] * flame.n_expression  # standard deviations
    assert explained(flame.expressiondirs, plausible) < 0.5
    with_jaw = torch.cat([jaw[..., None], flame.expressiondirs], dim=2)
    assert explained(with_jaw, [1.5, *plausible]) > 0.95
    assert jaw[chin, 1] < -0.01
    assert jaw[N_SKIN:].abs().max() < 1e-6
