"""Meshes of another shape and topology get the 52 actions, joints, and a file that clips can move."""

import json
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from support.other_avatars import Played, make_avatar, pack

from adamesh.avatars import apply_clip
from adamesh.avatars.gltf import read_glb
from adamesh.errors import InputError
from adamesh.evaluation.other_meshes import MESHES, OtherMesh, nearest_points, stylise
from adamesh.evaluation.rigging import as_scene, flipped
from adamesh.faces import Face, load_embedded_face
from adamesh.faces import landmark_index as lm
from adamesh.faces.surface import connected_parts
from adamesh.motion import ARKIT52, MotionClip
from adamesh.retargeting.registration import INNER_LOWER, INNER_UPPER
from adamesh.rigging import blendshapes as blendshapes_module
from adamesh.rigging import finding, read_mesh, rig_mesh
from adamesh.rigging.blendshapes import JOINTS, with_blendshapes
from adamesh.rigging.deformation import DeformationTransfer, Pairs
from adamesh.rigging.finding import find_face, plain_face
from adamesh.rigging.fitting import FittedHead, fit_head
from adamesh.rigging.geometry import read_scene
from adamesh.rigging.meshes import MeshFace
from adamesh.rigging.rig import write_rigged
from adamesh.tracking.face_landmarks import LandmarkQuality

MM = 1000.0


@cache
def other(name: str) -> OtherMesh:
    return MESHES[name]()


@cache
def known(name: str) -> Face:
    """The mesh as a face with its true landmarks, and eyeballs where it has some."""
    mesh = other(name)
    face = plain_face(mesh.points, mesh.triangles, mesh.colors)
    triangles, barycentric = mesh.landmark_triangles.copy(), mesh.landmark_barycentric
    triangles[[*lm.LEFT_IRIS, *lm.RIGHT_IRIS]] = -1
    part = connected_parts(mesh.triangles, len(mesh.points))
    balls = {}
    for side, iris in (("left", lm.LEFT_IRIS), ("right", lm.RIGHT_IRIS)):
        middle = mesh.landmarks[iris[0]]
        near = np.linalg.norm(mesh.points - middle, axis=1) < 0.002
        parts = np.setdiff1d(part[near], part[mesh.triangles[triangles[1], 0]])
        balls[f"{side}_eyeball"] = torch.from_numpy(np.flatnonzero(np.isin(part, parts)))
    return face.replace(
        regions=balls,
        landmark_triangles=torch.from_numpy(triangles),
        landmark_barycentric=torch.from_numpy(barycentric).float(),
    )


@cache
def fitted(name: str) -> FittedHead:
    return fit_head(load_embedded_face(), known(name))


@cache
def moved(name: str) -> Face:
    with pytest.MonkeyPatch.context() as patch:  # it would fit once more, which takes seconds
        patch.setattr(blendshapes_module, "fit_head", lambda *_: fitted(name))
        return with_blendshapes(load_embedded_face(), known(name))


def posed(name: str, **weights: float) -> np.ndarray:
    row = torch.zeros(1, len(ARKIT52))
    for action, weight in weights.items():
        row[0, ARKIT52.index(action)] = weight
    return moved(name)(expression=row).vertices[0].double().numpy()


def gap(name: str, first: tuple[int, ...], second: tuple[int, ...], **weights: float) -> float:
    points = other(name).at_landmarks(posed(name, **weights))
    return MM * float(np.linalg.norm(points[list(first)] - points[list(second)], axis=1).mean())


class TestDeformationTransfer:
    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        x, y = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 12))
        points = np.stack([x.ravel(), y.ravel(), 0.1 * np.sin(4 * x.ravel())], axis=1)
        corner = np.add.outer(12 * np.arange(11), np.arange(11)).ravel()
        lower = np.stack([corner, corner + 1, corner + 13], axis=1)
        upper = np.stack([corner, corner + 13, corner + 12], axis=1)
        return points, np.concatenate([lower, upper])

    def displacement(self, points: np.ndarray) -> np.ndarray:
        bump = np.exp(-20 * ((points[:, :2] - 0.5) ** 2).sum(1))
        edge = points[:, 0] < 1e-9
        return np.where(edge[:, None], 0, bump[:, None] * [0.05, -0.1, 0.2])

    def test_the_same_shape_moves_alike(self) -> None:
        points, triangles = self.grid()
        move = self.displacement(points)
        none = Pairs(np.zeros(0, int), np.zeros(0, int))
        carry = DeformationTransfer(points, points, triangles, points[:, 0] < 1e-9, none)
        np.testing.assert_allclose(carry(move), move, atol=1e-9)

    def test_a_shape_that_is_turned_and_stretched_moves_turned_and_stretched(self) -> None:
        points, triangles = self.grid()
        move = self.displacement(points)
        turn = np.array([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
        target = points @ turn.T + [5.0, 6.0, 7.0]
        none = Pairs(np.zeros(0, int), np.zeros(0, int))
        carry = DeformationTransfer(points, target, triangles, points[:, 0] < 1e-9, none)
        np.testing.assert_allclose(carry(move), move @ turn.T, atol=1e-8)

    def test_what_closes_on_the_source_closes_on_a_wider_target(self) -> None:
        # Two flaps with a gap of 1 cm, hinged at their far ends; on the target it is 2 cm.
        x, y = np.meshgrid(np.linspace(0, 0.02, 5), np.linspace(0, 0.03, 7))
        flap = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
        corner = np.add.outer(5 * np.arange(6), np.arange(4)).ravel()
        quads = np.stack([corner, corner + 1, corner + 6, corner + 5], axis=1)
        own = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        triangles = np.concatenate([own, own[:, ::-1] + len(flap)])

        def shape(gap: float) -> np.ndarray:
            upper = flap * [1, -1, 1]
            return np.concatenate([flap, upper + np.array([0, 0.06 + gap, 0])])

        source, target = shape(0.01), shape(0.02)
        closing = np.zeros_like(source)
        closing[: len(flap), 1] = 0.01 * (flap[:, 1] / 0.03) ** 2
        edge = np.flatnonzero(flap[:, 1] > 0.0299)
        pairs = Pairs.touching(source + closing, source)
        assert set(pairs.first) == set(edge)
        fixed = np.tile(flap[:, 1] < 1e-9, 2)
        carry = DeformationTransfer(source, target, triangles, fixed, pairs)
        after = target + carry(closing)
        left = np.linalg.norm(after[pairs.first] - after[pairs.second], axis=1)
        assert left.max() < 0.002  # of 0.02


class TestFit:
    @pytest.mark.parametrize("name", MESHES)
    def test_the_head_lies_on_the_mesh(self, name: str) -> None:
        """Its own mesh, in the place of the other: near every landmark and within 0.3 mm of the surface."""
        head, mesh = load_embedded_face(), other(name)
        vertices = fitted(name).vertices
        laid = head.landmarks(torch.from_numpy(vertices).float()[None])[0].double().numpy()
        lips = list(lm.LIPS)
        assert MM * np.linalg.norm(laid - mesh.landmarks, axis=1)[lips].mean() < 1
        front = head.regions["front"].numpy()
        chosen = vertices[front[:: len(front) // 40]]
        near, weights = nearest_points(chosen, mesh.points, mesh.triangles)
        on_mesh = (mesh.points[mesh.triangles[near]] * weights[..., None]).sum(1)
        assert MM * np.median(np.linalg.norm(on_mesh - chosen, axis=1)) < 0.3


class TestActions:
    @pytest.mark.parametrize("name", MESHES)
    def test_lips_open_and_close(self, name: str) -> None:
        lips = INNER_UPPER, INNER_LOWER
        rest = gap(name, *lips)
        assert gap(name, *lips, jawOpen=1) > rest + 15
        assert gap(name, *lips, jawOpen=1, mouthClose=1) < rest + 1

    @pytest.mark.parametrize("name", MESHES)
    def test_lids_close(self, name: str) -> None:
        lids = lm.LEFT_EYE[:8:-1], lm.LEFT_EYE[1:8]
        # Landmarks lie beside the edges that touch: of the head itself a blink leaves 27 %.
        assert gap(name, *lids, eyeBlinkLeft=1) < 0.35 * gap(name, *lids)
        assert gap(name, *lids, eyeBlinkRight=1) > 0.98 * gap(name, *lids)

    @pytest.mark.parametrize("name", MESHES)
    def test_few_triangles_flip(self, name: str) -> None:
        """Of all 52 actions: the head itself has 94 in its lids and lips."""
        mesh = other(name)
        actions = moved(name).expressiondirs.double().numpy()
        assert flipped(mesh.points, mesh.triangles, actions) < 4e-4 * 52 * len(mesh.triangles)

    def test_motion_is_that_of_the_shape(self) -> None:
        """A mouth narrower by a third smiles in its own size; nothing that should rest moves."""
        mesh = other("cartoon")
        smile = ARKIT52.index("mouthSmileLeft")
        own = moved("cartoon").expressiondirs[..., smile].double().numpy()
        bent = mesh.blendshapes[..., smile]
        large = np.linalg.norm(bent, axis=1) > 2e-3
        assert np.linalg.norm(own - bent, axis=1)[large].mean() < 0.15 * 6.5e-3
        skull = mesh.points[:, 1] > 0.12
        assert np.abs(moved("cartoon").expressiondirs[skull].numpy()).max() < 5e-4

    def test_teeth_go_with_their_jaw_and_eyeballs_with_their_joint(self) -> None:
        head, mesh = load_embedded_face(), other("cartoon")
        points = stylise(head.template.double()).numpy()
        opened = moved("cartoon").expressiondirs[..., ARKIT52.index("jawOpen")].numpy()
        part = connected_parts(mesh.triangles, len(mesh.points))
        skin = part[mesh.triangles[mesh.landmark_triangles[1], 0]]
        for region, least, most in (("lower_teeth", 10, 30), ("upper_teeth", 0, 0.5)):
            teeth = points[head.regions[region].numpy()]
            apart = np.linalg.norm(mesh.points[:, None] - teeth, axis=-1).min(1)
            near = (apart < 0.001) & (part != skin)
            drop = -MM * np.median(opened[near, 1])
            assert least <= drop <= most, region
        face = moved("cartoon")
        ball = face.regions["left_eyeball"]
        assert len(ball) > 50
        assert face.expressiondirs[ball].abs().max() == 0
        turned = face(leye_pose=torch.tensor([[0.0, 0.3, 0.0]])).vertices[0] - face.template
        assert turned[ball].norm(dim=1).max() > 2e-3
        still = np.setdiff1d(np.arange(face.n_vertices), ball.numpy())
        assert turned[still].abs().max() < 1e-6

    def test_the_head_turns_and_the_shoulders_stay(self) -> None:
        face = moved("phenotype")
        assert face.joint_names == JOINTS
        assert face.skin_weights.sum(1).numpy() == pytest.approx(1, abs=1e-5)
        turned = face(head_pose=torch.tensor([[0.0, 0.4, 0.0]])).vertices[0] - face.template
        height = face.template[:, 1] - face.template[:, 1].min()
        assert turned[height > 0.25].norm(dim=1).median() > 0.02
        assert turned[height < 0.05].norm(dim=1).max() < 1e-3


@pytest.fixture(scope="module")
def no_bodies() -> Iterator[None]:
    """Nothing is looked for in the upper parts of what is no body; each picture takes a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "UPPER_PARTS", (1.0,))
        yield


@pytest.mark.usefixtures("no_bodies")
class TestFinding:
    @pytest.mark.parametrize(
        "turn",
        [
            pytest.param(np.eye(3), id="as glTF"),
            pytest.param(np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), id="+Z up"),
            pytest.param(np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]]), id="looks along -X"),
        ],
    )
    def test_a_face_that_looks_any_way_and_is_inside_out(self, turn: np.ndarray) -> None:
        mesh = other("mask")
        points = 40 * mesh.points @ turn.T.astype(float)
        found = find_face(points, mesh.triangles[:, ::-1], np.full((len(points), 3), 0.7))
        np.testing.assert_array_equal(found.rotation, turn.T)
        np.testing.assert_array_equal(found.triangles, mesh.triangles)
        landmarks = found.embedding.points(points, found.triangles) / 40 @ turn
        missed = MM * np.linalg.norm(landmarks - mesh.landmarks, axis=1)
        assert np.median(missed[list(lm.LIPS)]) < 8

    def test_no_face(self) -> None:
        points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
        triangles = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]])
        with pytest.raises(InputError, match="no face is seen on the mesh from any side"):
            find_face(points, triangles, np.full((8, 3), 0.7))


def glb(path: Path, content: dict[str, Any], binary: bytes) -> Path:
    content = {"asset": {"version": "2.0"}, "buffers": [{"byteLength": len(binary)}]} | content
    path.write_bytes(pack(content, binary))
    return path


def triangle_file(path: Path, **changes: Any) -> Path:
    """One triangle in a node that is moved, in a node that is turned and scaled."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    indices = np.array([0, 1, 2, 0], "<u2").tobytes()
    content: dict[str, Any] = {
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 6},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "nodes": [
            {"children": [1], "rotation": [0, 0, 0.5**0.5, 0.5**0.5], "scale": [2, 2, 2]},
            {"mesh": 0, "translation": [0, 0, 5]},
        ],
    }
    return glb(path, content | changes, points + indices)


class TestGeometry:
    def test_nodes_place_what_they_show(self, tmp_path: Path) -> None:
        scene = read_scene(read_glb(triangle_file(tmp_path / "a.glb")))
        np.testing.assert_allclose(scene.points, [[0, 0, 10], [0, 2, 10], [-2, 0, 10]], atol=1e-6)
        assert not scene.colored

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [(5, [[0, 1, 2], [2, 1, 3]]), (6, [[0, 1, 2], [0, 2, 3]]), (4, [[0, 1, 2]])],
    )
    def test_strips_and_fans(self, tmp_path: Path, mode: int, expected: list[list[int]]) -> None:
        points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4").tobytes()
        content = {
            "bufferViews": [{"buffer": 0, "byteLength": 48}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": mode}]}],
            "nodes": [{"mesh": 0}],
        }
        scene = read_scene(read_glb(glb(tmp_path / "a.glb", content, points)))
        assert scene.triangles.tolist() == expected

    def test_small_integers(self, tmp_path: Path) -> None:
        accessor = {"bufferView": 0, "componentType": 5122, "count": 3, "type": "VEC3"}
        points = np.array([[32767, 0, 0], [0, -32767, 0], [0, 0, 16384]], "<i2").tobytes()
        content = {
            "bufferViews": [{"buffer": 0, "byteLength": 18}],
            "accessors": [accessor | {"normalized": True}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
            "nodes": [{"mesh": 0}],
        }
        scene = read_scene(read_glb(glb(tmp_path / "a.glb", content, points + bytes(2))))
        np.testing.assert_allclose(scene.points, [[1, 0, 0], [0, -1, 0], [0, 0, 0.5]], atol=1e-4)

    def test_vertices_at_one_place_are_one_unless_they_face_each_other(
        self, tmp_path: Path
    ) -> None:
        # Two triangles that share an edge, each with its own vertices; and a third that lies on the first
        # the other way round, as one closed lip on the other.
        points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
        points += [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
        content = {
            "bufferViews": [{"buffer": 0, "byteLength": 108}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "count": 9, "type": "VEC3"}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
            "nodes": [{"mesh": 0}],
        }
        data = np.array(points, "<f4").tobytes()
        welded = read_scene(read_glb(glb(tmp_path / "a.glb", content, data))).welded
        assert welded[1] == welded[3]
        assert welded[2] == welded[5]
        assert len(set(welded[:6])) == 4
        assert not set(welded[:6]) & set(welded[6:])

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"nodes": []}, "shows no triangles"),
            ({"bufferViews": [{"buffer": 0, "byteLength": 36}]}, "accessor 1 cannot be read"),
            (
                {
                    "accessors": [
                        {"bufferView": 0, "componentType": 5126, "count": 900, "type": "VEC3"}
                    ]
                },
                "cannot be read",
            ),
            ({"extensionsUsed": ["KHR_draco_mesh_compression"]}, "without compression"),
        ],
    )
    def test_damage(self, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        path = triangle_file(tmp_path / "a.glb", **changes)
        with pytest.raises(InputError, match=message):
            read_scene(read_glb(path))


def skinned_file(path: Path, mesh: OtherMesh) -> Path:
    """The mesh in centimetres, off its place and bound to a turned bone that brings it there."""
    place = np.eye(4)
    place[:3, :3] *= 0.01
    place[:3, 3] = [0.1, 1.5, 0.2]
    bone = np.eye(4)
    bone[:3, :3] = Rotation.from_rotvec([0.3, -0.2, 0.9]).as_matrix()
    bone[:3, 3] = [0.0, 1.4, 0.0]
    local = (mesh.points - place[:3, 3]) / 0.01
    bind = np.linalg.inv(bone) @ place
    count = len(local)
    arrays = [
        (local.astype("<f4"), "VEC3", 5126),
        (mesh.triangles.astype("<u4").reshape(-1, 1), "SCALAR", 5125),
        (np.zeros((count, 4), "u1"), "VEC4", 5121),
        (np.tile(np.array([1, 0, 0, 0], "<f4"), (count, 1)), "VEC4", 5126),
        (bind.T.reshape(1, 16).astype("<f4"), "MAT4", 5126),
    ]
    content: dict[str, Any] = {"bufferViews": [], "accessors": []}
    binary = b""
    for array, kind, component in arrays:
        view = {"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes}
        content["bufferViews"].append(view)
        accessor = {"bufferView": len(content["accessors"]), "componentType": component}
        content["accessors"].append(accessor | {"count": len(array), "type": kind})
        binary += array.tobytes() + bytes(-array.nbytes % 4)
    attributes = {"POSITION": 0, "JOINTS_0": 2, "WEIGHTS_0": 3}
    x, y, z, w = Rotation.from_matrix(bone[:3, :3]).as_quat().tolist()
    return glb(
        path,
        content
        | {
            "meshes": [{"primitives": [{"attributes": attributes, "indices": 1}]}],
            "skins": [{"joints": [0], "inverseBindMatrices": 4}],
            "nodes": [
                {"name": "Head", "rotation": [x, y, z, w], "translation": bone[:3, 3].tolist()},
                {"mesh": 0, "skin": 0, "name": "body"},
            ],
            "scenes": [{"nodes": [0, 1], "name": "kept"}],
            "materials": [{"name": "kept"}],
            "extras": {"kept": True},
        },
        binary,
    )


def test_a_skinned_mesh_keeps_its_bones(tmp_path: Path) -> None:
    """Only morph targets are added, in the mesh's own units and axes."""
    mesh = other("mask")
    file = read_glb(skinned_file(tmp_path / "a.glb", mesh))
    scene = read_scene(file)
    np.testing.assert_allclose(scene.points, mesh.points, atol=1e-5)
    face = moved("mask")
    none = LandmarkQuality(478, 0.0, 0.0)
    found = MeshFace(face, np.arange(face.n_vertices), np.eye(3), np.zeros(3), np.eye(3), none)
    write_rigged(file, scene, found, tmp_path / "b.glb")
    before, after = (json.loads(_chunk(tmp_path / name)) for name in ("a.glb", "b.glb"))
    for part in ("nodes", "skins", "scenes", "materials", "extras"):
        assert after[part] == before[part], part
    weights = np.zeros((2, 52), np.float32)
    weights[1, ARKIT52.index("mouthSmileLeft")] = 1
    head = np.array([[0, 0, 0], [0, 0.4, 0]], np.float32)
    apply_clip(
        MotionClip("arkit52", 25.0, weights, head_pose=head), tmp_path / "b.glb", tmp_path / "c.glb"
    )
    pivot = np.array([0.0, 1.4, 0.0])
    smiling = posed("mask", mouthSmileLeft=1) - pivot
    turned = pivot + Rotation.from_rotvec([0, 0.4, 0]).apply(smiling)
    played = Played(tmp_path / "c.glb")
    np.testing.assert_allclose(played.vertices(1, 0), mesh.points, atol=1e-5)
    np.testing.assert_allclose(played.vertices(1, 1), turned, atol=3e-5)


def test_lips_that_are_one_surface_are_noticed() -> None:
    face = moved("mask")
    parts = np.arange(face.n_vertices), np.eye(3), np.zeros(3), np.eye(3)
    assert MeshFace(face, *parts, LandmarkQuality(478, 0.0, 0.0)).lips_part
    sealed = face.replace(expressiondirs=0.1 * face.expressiondirs)
    assert not MeshFace(sealed, *parts, LandmarkQuality(478, 0.0, 0.0)).lips_part


def write_obj(path: Path, mesh: OtherMesh) -> Path:
    """In centimetres, +Z up, inside out, as no program should and some do."""
    points = 100 * np.stack([mesh.points[:, 0], -mesh.points[:, 2], mesh.points[:, 1]], axis=1)
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in points]
    lines += [f"f {a + 1} {c + 1} {b + 1}" for a, b, c in mesh.triangles]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def rigged(tmp_path_factory: pytest.TempPathFactory, no_bodies: None) -> tuple[Path, Any]:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("rigged")
    mesh = write_obj(folder / "mask.obj", other("mask"))
    done = rig_mesh(mesh, folder / "mask.glb", views=(9, 12))
    return folder / "mask.glb", done


@pytest.mark.slow
class TestFile:
    def test_what_is_said_of_it(self, rigged: tuple[Path, Any]) -> None:
        _, done = rigged
        assert done.unit == "cm"
        assert done.turned
        assert done.rigged
        assert done.eyeballs == 0
        assert done.landmarks > 440

    def test_a_clip_moves_it(self, rigged: tuple[Path, Any], tmp_path: Path) -> None:
        path, _ = rigged
        weights = np.zeros((3, 52), np.float32)
        weights[1, ARKIT52.index("jawOpen")] = 1
        head = np.zeros((3, 3), np.float32)
        head[2, 1] = 0.5
        clip = MotionClip("arkit52", 25.0, weights, head_pose=head)
        found = apply_clip(clip, path, tmp_path / "moving.glb")
        assert found.facts()["unmatched"] == []
        assert found.facts()["not_shown"] == []
        played = Played(tmp_path / "moving.glb")
        nodes = json.loads(_chunk(path))["nodes"]
        (node,) = (i for i, content in enumerate(nodes) if "mesh" in content)
        rest, opened, turned = (played.vertices(node, frame) for frame in range(3))
        mesh = other("mask")
        # In metres, +Y up, the face along +Z, where it was.
        assert np.ptp(rest, axis=0) == pytest.approx(np.ptp(mesh.points, axis=0), abs=1e-4)
        own = mesh.points
        places = np.linalg.norm(rest[:, None] - own[None], axis=-1).argmin(0)
        assert np.abs(rest[places] - own).max() < 1e-4
        chin, brow = mesh.landmarks[152], mesh.landmarks[9]
        lowered = rest - opened
        for place, least, most in ((chin, 10, 40), (brow, -1, 1)):
            near = np.linalg.norm(rest - place, axis=1) < 0.01
            assert least < MM * lowered[near, 1].mean() < most
        nose = np.linalg.norm(rest - mesh.landmarks[1], axis=1).argmin()
        assert MM * (turned - rest)[nose, 0] > 20  # to the subject's left, which is +X

    def test_normals_turn_with_the_surface(self, rigged: tuple[Path, Any]) -> None:
        content = json.loads(_chunk(rigged[0]))
        (mesh,) = content["meshes"]
        assert mesh["extras"]["targetNames"] == list(ARKIT52)
        assert all("NORMAL" in target for target in mesh["primitives"][0]["targets"])


def _chunk(path: Path) -> bytes:
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return data[20 : 20 + length]


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        pytest.param("plain", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", None, id="no colours"),
        pytest.param(
            "uv",
            "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n",
            (0.75, 0.72, 0.70),
            id="texture coordinates without a material",
        ),
        pytest.param(
            "colored",
            "v 0 0 0 0.8 0.5 0.4\nv 1 0 0 0.8 0.5 0.4\nv 0 1 0 0.8 0.5 0.4\nf 1 2 3\n",
            (0.8, 0.5, 0.4),
            id="vertex colours",
        ),
    ],
)
def test_colours_of_an_obj(
    tmp_path: Path, name: str, lines: str, expected: tuple[float, ...] | None
) -> None:
    path = tmp_path / f"{name}.obj"
    path.write_text(lines)
    file = read_mesh(path)
    scene = read_scene(file)
    looks = [m.get("pbrMetallicRoughness", {}) for m in file.json.get("materials", [])]
    assert not any("baseColorTexture" in look for look in looks)
    if expected is not None:
        np.testing.assert_allclose(scene.colors, np.tile(expected, (3, 1)), atol=0.01)
    (primitive,) = file.json["meshes"][0]["primitives"]
    assert "NORMAL" in primitive["attributes"]


class TestBadInput:
    def test_morph_targets(self, tmp_path: Path) -> None:
        make_avatar(tmp_path / "a.glb", ["jawOpen"])
        with pytest.raises(InputError, match="has morph targets already"):
            rig_mesh(tmp_path / "a.glb", tmp_path / "b.glb")

    @pytest.mark.parametrize("name", ["a.obj", "a.ply", "a.stl"])
    def test_no_mesh(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(InputError, match=f"{name}.*(cannot be read|shows no triangles)"):
            rig_mesh(tmp_path / name, tmp_path / "b.glb")
        assert not (tmp_path / "b.glb").exists()

    def test_coordinates_that_are_no_numbers(self, tmp_path: Path) -> None:
        (tmp_path / "a.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
        with pytest.raises(InputError, match=r"a\.obj' has coordinates that are no numbers"):
            rig_mesh(tmp_path / "a.obj", tmp_path / "b.glb")

    def test_suffixes(self, tmp_path: Path) -> None:
        (tmp_path / "a.max").write_bytes(b"3")
        with pytest.raises(InputError, match=r"must end in \.glb, \.vrm, \.obj, \.ply, \.stl"):
            rig_mesh(tmp_path / "a.max", tmp_path / "b.glb")
        with pytest.raises(InputError, match=r"must end in \.glb"):
            rig_mesh(tmp_path / "a.max", tmp_path / "b.fbx")


def test_a_scene_of_a_mesh_is_seen_as_one() -> None:
    scene = as_scene(other("mask"), colored=False)
    assert len(scene.points) == scene.welded.max() + 1
