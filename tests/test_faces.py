"""The face forward against a slow reference, and what the embedded head promises."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from support.random_face import small_face
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces import Face, load_embedded_face, load_face, save_face
from adamesh.faces.landmark_index import (
    FACE_OVAL,
    INNER_LIPS_LOWER,
    INNER_LIPS_UPPER,
    LEFT_IRIS,
    RIGHT_IRIS,
    interocular_distance,
)
from adamesh.faces.landmark_index import MIRROR as LANDMARK_MIRROR
from adamesh.faces.skinning import rotation_matrices
from adamesh.motion.rotation import axis_angle_to_matrix
from adamesh.motion.spaces import ARKIT52, MIRROR

FLIP = torch.tensor([-1.0, 1.0, 1.0])
MAX_ASSET_BYTES = 6_000_000


@pytest.fixture(scope="module")
def head() -> Face:
    return load_embedded_face()


def weights(**values: float) -> Tensor:
    row = torch.zeros(1, len(ARKIT52))
    for name, value in values.items():
        row[0, ARKIT52.index(name)] = value
    return row


@functools.cache
def left_right_of(head: Face) -> Tensor:
    """[V] the vertex that mirrors each one; told apart by place and by how the mouth moves it.

    Rings where two materials meet are doubled, so either twin is right there.
    """
    jaw = head.expressiondirs[..., ARKIT52.index("jawOpen")]
    funnel = head.expressiondirs[..., ARKIT52.index("mouthFunnel")]
    features = torch.cat([head.template, jaw, funnel], dim=1)
    distance, other = cKDTree(features.numpy()).query((features * FLIP.repeat(3)).numpy())
    assert distance.max() < 1e-5
    return torch.from_numpy(other)


# --- the forward ----------------------------------------------------------------------------------


@pytest.mark.parametrize("posedirs", [False, True])
def test_forward_equals_the_slow_reference(posedirs: bool) -> None:
    """Vertex by vertex, joint by joint, with 4x4 matrices as the textbook has them."""
    face = small_face(posedirs=posedirs)
    rng = np.random.default_rng(1)
    betas, expression, transl = rng.normal(size=4), rng.normal(size=2), rng.normal(size=3)
    poses = dict(zip(face.joint_names, rng.normal(size=(5, 3)), strict=True))

    t = {key: value.numpy() for key, value in face.tensors().items()}
    joints = t["joints_template"] + t["joints_shapedirs"] @ betas
    if posedirs:
        joints = joints + t["joints_expressiondirs"] @ expression
    world: list[np.ndarray] = []
    for j, (name, parent) in enumerate(zip(face.joint_names, face.joint_parents, strict=True)):
        local = np.eye(4)
        local[:3, :3] = axis_angle_to_matrix(poses[name])
        local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    feature = np.concatenate(
        [(axis_angle_to_matrix(poses[n]) - np.eye(3)).ravel() for n in face.joint_names[1:]]
    )
    expected = np.zeros((7, 3))
    for v in range(7):
        rest = t["template"][v] + t["shapedirs"][v] @ betas + t["expressiondirs"][v] @ expression
        if posedirs:
            rest = rest + t["posedirs"][v] @ feature
        for j in range(5):
            moved = world[j] @ np.append(rest - joints[j], 1)
            expected[v] += t["skin_weights"][v, j] * moved[:3]
    output = face(
        betas=torch.tensor(betas)[None],
        expression=torch.tensor(expression)[None],
        transl=torch.tensor(transl)[None],
        global_orient=torch.tensor(poses["root"])[None],
        **{f"{j}_pose": torch.tensor(poses[j])[None] for j in ("neck", "jaw", "leye", "reye")},
    )
    np.testing.assert_allclose(output.vertices[0], expected + transl, atol=1e-12)
    np.testing.assert_allclose(
        output.joints[0], np.stack([w[:3, 3] for w in world]) + transl, atol=1e-12
    )


def test_gradients_are_exact_everywhere() -> None:
    face = small_face(posedirs=True)
    for scale in (0.0, 1e-3, 1.0):  # zero, the series, and the closed form
        g = torch.Generator().manual_seed(3)
        inputs = [
            (scale * torch.randn(2, n, generator=g, dtype=torch.float64)).requires_grad_()
            for n in (4, 2, 3, 3, 3, 3, 3, 3)
        ]

        def posed(*args: Tensor) -> Tensor:
            betas, expression, neck, jaw, leye, reye, root, transl = args
            return face(betas, expression, neck, None, jaw, leye, reye, root, transl).vertices

        assert torch.autograd.gradcheck(posed, inputs, atol=1e-6)


def test_rotations_are_continuous_where_the_series_begins() -> None:
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    angles = torch.tensor([0.0, 1e-9, 0.00999999, 0.01, 0.01000001, 3.0, 7.0], dtype=torch.float64)
    got = rotation_matrices(angles[:, None] * axis)
    np.testing.assert_allclose(got, axis_angle_to_matrix(angles[:, None] * axis), atol=1e-14)


def test_a_batch_equals_its_rows_and_one_identity_serves_all(head: Face) -> None:
    g = torch.Generator().manual_seed(0)
    given = {
        "betas": torch.randn(3, head.n_betas, generator=g),
        "expression": torch.rand(3, 52, generator=g),
        **{
            key: 0.3 * torch.randn(3, 3, generator=g)
            for key in ("neck_pose", "head_pose", "jaw_pose", "leye_pose", "reye_pose")
        },
        "global_orient": torch.randn(3, 3, generator=g),
        "transl": torch.randn(3, 3, generator=g),
    }
    together = head(**given).vertices
    for i in range(3):
        alone = head(**{key: value[i : i + 1] for key, value in given.items()}).vertices[0]
        torch.testing.assert_close(together[i], alone, atol=2e-6, rtol=0)
    shared = head(**(given | {"betas": given["betas"][:1]})).vertices
    torch.testing.assert_close(shared[0], together[0], atol=2e-6, rtol=0)
    assert (shared[1] - together[1]).abs().max() > 1e-3


def test_wrong_shapes_are_named(head: Face) -> None:
    with pytest.raises(InputError, match=r"betas must have shape \[1, 50\].*got \[1, 51\]"):
        head(betas=torch.zeros(1, 51))
    with pytest.raises(InputError, match=r"expression must have shape \[4, 52\].*got \[3, 52\]"):
        head(betas=torch.zeros(4, 50), expression=torch.zeros(3, 52))
    with pytest.raises(InputError, match=r"jaw_pose must have shape \[1, 3\].*got \[3\]"):
        head(jaw_pose=torch.zeros(3))
    with pytest.raises(InputError, match="has no joint 'head': leave head_pose out"):
        small_face()(head_pose=torch.zeros(1, 3, dtype=torch.float64))
    with pytest.raises(InputError, match=r"vertices must have shape \[B, 7, 3\]"):
        small_face().landmarks(torch.zeros(7, 3))


def test_landmarks_are_points_of_their_triangles() -> None:
    face = small_face()
    vertices = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    landmarks = face.landmarks(vertices)
    expected = 0.2 * vertices[:, 4] + 0.3 * vertices[:, 5] + 0.5 * vertices[:, 6]
    torch.testing.assert_close(landmarks[:, 3], expected)
    assert landmarks.isnan().all(dim=-1).sum() == 2 * 477
    basis = face.landmark_basis()
    assert basis.valid.nonzero().tolist() == [[3]]
    assert not basis.shapedirs[~basis.valid].any()


def test_landmark_basis_is_the_forward_without_pose(head: Face) -> None:
    g = torch.Generator().manual_seed(2)
    betas, expression = torch.randn(1, 50, generator=g), torch.rand(1, 52, generator=g)
    basis = head.landmark_basis()
    linear = basis.template + basis.shapedirs @ betas[0] + basis.expressiondirs @ expression[0]
    vertices = head(betas=betas, expression=expression).vertices
    torch.testing.assert_close(linear, head.landmarks(vertices)[0], atol=2e-6, rtol=0)
    assert basis.valid.all()


# --- files ----------------------------------------------------------------------------------------


def test_a_face_survives_its_file(tmp_path: Path) -> None:
    face = small_face(posedirs=True, dtype=torch.float32)
    save_face(face, tmp_path / "face.safetensors", notes={"licence": "none"})
    back = load_face(tmp_path / "face.safetensors")
    assert back.attributes() == face.attributes()
    assert list(back.regions) == list(face.regions)
    assert back.state_dict().keys() == face.state_dict().keys()
    for key, value in face.state_dict().items():
        # Weights are scaled to a sum of 1 once more.
        tolerance = 1e-6 if key == "skin_weights" else 0.0
        torch.testing.assert_close(back.state_dict()[key], value, atol=tolerance, rtol=0)
        assert back.state_dict()[key].dtype == value.dtype, key


def test_half_precision_costs_less_than_a_fiftieth_of_a_millimetre(
    head: Face, tmp_path: Path
) -> None:
    assert head.expressiondirs.abs().max() * 2**-11 < 2e-5
    save_face(head, tmp_path / "head.safetensors", directions_dtype=torch.float16)
    back = load_face(tmp_path / "head.safetensors", torch.float64)
    assert back.template.dtype == torch.float64
    torch.testing.assert_close(back.shapedirs.float(), head.shapedirs, atol=0, rtol=0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    path.write_bytes(b"not a face")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_face(path)
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not a face model of this program"):
        load_face(path)


# --- the embedded head ----------------------------------------------------------------------------


def test_the_asset_is_small_and_whole(head: Face) -> None:
    import adamesh.faces.embedded

    asset = Path(adamesh.faces.embedded.__file__).parents[1] / "assets" / "head.safetensors"
    assert asset.stat().st_size <= MAX_ASSET_BYTES
    assert head.expression_names == ARKIT52
    assert head.triangles.unique().numel() == head.n_vertices  # no vertex is left over
    torch.testing.assert_close(head.skin_weights.sum(dim=1), torch.ones(head.n_vertices))
    assert (head.skin_weights >= 0).all()
    assert torch.equal(head().vertices[0], head.template)
    assert torch.equal(head(expression=torch.zeros(1, 52)).vertices[0], head.template)


def test_axes_and_scale(head: Face) -> None:
    """Metres, +Y up, +Z out of the face, +X to the subject's left; triangles face outwards."""
    joints = dict(zip(head.joint_names, head.joints_template, strict=True))
    assert joints["leye"][0] > 0 > joints["reye"][0]
    assert joints["leye"][1] > joints["neck"][1] > joints["root"][1]
    assert joints["leye"][2] > joints["head"][2]
    eyes = joints["leye"] - joints["reye"]
    assert 0.055 < eyes.norm() < 0.072
    a, b, c = head.template[head.triangles].unbind(dim=1)
    normals = torch.linalg.cross(b - a, c - a)
    front = torch.isin(head.triangles, head.regions["upper_face"]).all(dim=1)
    assert (normals[front, 2] > 0).float().mean() > 0.9
    for side in ("left", "right"):
        ball = torch.isin(head.triangles, head.regions[f"{side}_eyeball"]).all(dim=1)
        outward = a[ball] - joints[f"{side[0]}eye"]
        assert ((normals[ball] * outward).sum(dim=1) > 0).all()


def test_the_head_and_its_actions_are_symmetric(head: Face) -> None:
    other = left_right_of(head)
    assert torch.allclose(head.template[other] * FLIP, head.template, atol=1e-5)
    mirrored = head.expressiondirs[other][..., MIRROR] * FLIP[:, None]
    assert (mirrored - head.expressiondirs).abs().max() < 1e-4
    outside = torch.ones(head.n_vertices, dtype=torch.bool)
    outside[head.regions["eyeballs"]] = False
    assert (head.colors[other] - head.colors)[outside].abs().max() < 1e-4


def test_nothing_moves_the_shoulders(head: Face) -> None:
    turn = torch.tensor([[0.5, 0.8, -0.4]])
    shoulders = head.regions["shoulders"]
    assert len(shoulders) > 20
    for pose in ({"neck_pose": turn}, {"head_pose": turn}, {"expression": torch.ones(1, 52)}):
        moved = (head(**pose).vertices[0] - head.template).norm(dim=1)
        assert moved[shoulders].max() < 1e-4
        assert moved.max() > 0.01


def test_the_face_turns_rigidly_with_the_head(head: Face) -> None:
    pose = torch.tensor([[0.2, 0.5, 0.1]])
    vertices = head(head_pose=pose).vertices[0]
    rotation = rotation_matrices(pose)[0]
    centre = head.joints_template[head.joint_names.index("head")]
    rigid = (head.template - centre) @ rotation.T + centre
    face = torch.cat([head.regions[name] for name in ("upper_face", "lips", "eyeballs", "teeth")])
    assert (vertices - rigid)[face].abs().max() < 1e-6


@pytest.mark.parametrize("side", ["left", "right"])
def test_eyeballs_turn_about_their_own_centre(head: Face, side: str) -> None:
    g = torch.Generator().manual_seed(4)
    betas = torch.cat([torch.zeros(1, 50), torch.randn(4, 50, generator=g)])
    key = f"{side[0]}eye"
    rest = head(betas=betas)
    turned = head(betas=betas, **{f"{key}_pose": torch.tensor([[0.4, -0.6, 0.0]])})
    ball, joint = head.regions[f"{side}_eyeball"], head.joint_names.index(key)
    centre = rest.joints[:, joint : joint + 1]
    before = (rest.vertices[:, ball] - centre).norm(dim=-1)
    after = (turned.vertices[:, ball] - centre).norm(dim=-1)
    assert (before - after).abs().max() < 2e-4
    # Round for everybody, up to the slight bulge of the cornea.
    assert (before.max(dim=1).values / before.min(dim=1).values).max() < 1.06
    moved = (turned.vertices - rest.vertices).norm(dim=-1)
    others = torch.ones(head.n_vertices, dtype=torch.bool)
    others[ball] = False
    assert moved[:, others].max() < 1e-6
    # Looking up and to the subject's right turns the pupil there.
    pupil = head.regions[f"{side}_pupil"][0]
    up = head(**{f"{key}_pose": torch.tensor([[-0.3, -0.3, 0.0]])}).vertices[0]
    assert up[pupil, 1] > head.template[pupil, 1] + 0.003
    assert up[pupil, 0] < head.template[pupil, 0] - 0.003


def lip_gap(head: Face, **values: float) -> float:
    """Millimetres between the inner edges of the lips in the middle."""
    points = head.landmarks(head(expression=weights(**values)).vertices)[0]
    return 1e3 * float(points[13, 1] - points[14, 1])


def test_the_jaw_opens_the_lips_and_mouth_close_closes_them(head: Face) -> None:
    closed = lip_gap(head)
    assert 0 < closed < 2.5
    gaps = [lip_gap(head, jawOpen=x) for x in (0.25, 0.5, 0.75, 1.0)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > closed + 15
    assert abs(lip_gap(head, jawOpen=1.0, mouthClose=1.0)) < 2.5
    assert lip_gap(head, jawOpen=1.0, mouthClose=0.5) == pytest.approx(gaps[-1] / 2, rel=0.15)


def test_lower_teeth_and_tongue_follow_the_jaw_and_upper_teeth_do_not(head: Face) -> None:
    moved = head(expression=weights(jawOpen=1.0)).vertices[0] - head.template
    assert moved[head.regions["upper_teeth"]].norm(dim=1).max() < 1e-4
    for part in ("lower_teeth", "tongue"):
        assert moved[head.regions[part], 1].mean() < -0.01
    out = head(expression=weights(tongueOut=1.0)).vertices[0] - head.template
    assert out[head.regions["tongue"], 2].max() > 0.02


@pytest.mark.parametrize("side", ["Left", "Right"])
def test_a_blink_closes_the_lids_of_its_own_side(head: Face, side: str) -> None:
    """The gap between the lids in the middle, landmarks 386/374 left and 159/145 right."""
    pairs = {"Left": (386, 374), "Right": (159, 145)}

    def gap(eye: str, **values: float) -> float:
        upper, lower = pairs[eye]
        points = head.landmarks(head(expression=weights(**values)).vertices)[0]
        return 1e3 * float(points[upper, 1] - points[lower, 1])

    other = "Right" if side == "Left" else "Left"
    action = f"eyeBlink{side}"
    assert 8 < gap(side) < 13
    assert 0.2 < gap(side, **{action: 0.5}) / gap(side) < 0.7
    assert abs(gap(side, **{action: 1.0})) < 1.5
    assert gap(other, **{action: 1.0}) == pytest.approx(gap(other), abs=0.01)
    eye = head.joints_template[head.joint_names.index("leye"), 0]
    assert eye > 0
    assert pairs["Left"][0] == LANDMARK_MIRROR[pairs["Right"][0]]


def test_looking_moves_lids_and_not_eyeballs(head: Face) -> None:
    looks = [i for i, name in enumerate(ARKIT52) if name.startswith("eyeLook")]
    assert not head.expressiondirs[head.regions["eyeballs"]].any()
    for i in looks:
        assert head.expressiondirs[head.regions["lids"]][..., i].abs().max() > 5e-4


def test_betas_are_standard_deviations_of_plausible_heads(head: Face) -> None:
    g = torch.Generator().manual_seed(8)
    vertices = head(betas=torch.randn(64, 50, generator=g)).vertices
    distance = interocular_distance(head.landmarks(vertices).double().numpy())
    assert 0.04 < distance.min() < distance.max() < 0.075
    assert head.joints_shapedirs[head.joint_names.index("head")].abs().max() < 1e-6
    upper, lower = vertices[:, head.regions["upper_lip"]], vertices[:, head.regions["lower_lip"]]
    assert (upper[..., 1].mean(dim=1) > lower[..., 1].mean(dim=1)).all()
    size = head.shapedirs.flatten(0, 1).norm(dim=0)
    assert size[0] == size.max()
    assert size[-1] < 0.2 * size[0]


def test_regions(head: Face) -> None:
    regions = {name: set(ids.tolist()) for name, ids in head.regions.items()}
    assert all(regions.values())
    for first, second in (
        ("upper_lip", "lower_lip"),
        ("left_lids", "right_lids"),
        ("left_brow", "right_brow"),
        ("left_eyeball", "right_eyeball"),
        ("upper_face", "lower_face"),
        ("upper_teeth", "lower_teeth"),
        ("lips", "mouth_interior"),
        ("lips", "upper_face"),
        ("jaw", "lips"),
        ("jaw", "neck"),
        ("neck", "shoulders"),
        ("lids", "eyeballs"),
    ):
        assert not regions[first] & regions[second], (first, second)
    assert regions["upper_lip"] | regions["lower_lip"] == regions["lips"]
    assert regions["left_lids"] | regions["right_lids"] == regions["lids"]
    assert len(regions["upper_lip"]) == pytest.approx(len(regions["lower_lip"]), rel=0.8)
    assert regions["lids"] & regions["upper_face"]
    for side, sign in (("left", 1), ("right", -1)):
        for name in ("lids", "brow", "eyeball"):
            assert (sign * head.template[head.regions[f"{side}_{name}"], 0] > 0).all()


# --- its landmarks --------------------------------------------------------------------------------


def test_landmarks_lie_on_the_right_parts(head: Face) -> None:
    corners = head.triangles[head.landmark_triangles]
    torch.testing.assert_close(head.landmark_barycentric.sum(dim=1), torch.ones(478))
    assert (head.landmark_barycentric >= 0).all()

    def share(landmarks: tuple[int, ...], region: str) -> float:
        inside = torch.isin(corners[list(landmarks)], head.regions[region]).any(dim=1)
        return float(inside.float().mean())

    assert share(LEFT_IRIS, "left_eyeball") == 1
    assert share(RIGHT_IRIS, "right_eyeball") == 1
    assert share(INNER_LIPS_UPPER, "upper_lip") == 1
    assert share(INNER_LIPS_LOWER, "lower_lip") == 1
    behind = torch.isin(corners[:468], torch.cat([head.regions["eyeballs"], head.regions["teeth"]]))
    assert not behind.any()


def test_landmarks_are_symmetric(head: Face) -> None:
    points = head.landmarks(head().vertices)[0]
    mirrored = points[list(LANDMARK_MIRROR)] * FLIP
    inner = [i for i in range(478) if i not in FACE_OVAL]
    assert (points - mirrored)[inner].norm(dim=1).max() < 5e-4


def test_iris_landmarks_are_the_iris(head: Face) -> None:
    points = head.landmarks(head().vertices)[0]
    for side, (centre, *edge) in (("left", LEFT_IRIS), ("right", RIGHT_IRIS)):
        pupil = head.template[head.regions[f"{side}_pupil"][0]]
        radius = (head.template[head.regions[f"{side}_limbus"]] - pupil).norm(dim=1).mean()
        assert (points[centre] - pupil).norm() < 0.35 * radius
        around = (points[edge] - points[centre]).norm(dim=1) / radius
        assert (around > 0.75).all()
        assert (around < 1.25).all()
