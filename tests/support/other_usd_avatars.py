"""Small USD avatars of every kind, as `other_avatars` makes glTF ones, without code of the package."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt
from scipy.spatial.transform import Rotation

from support.other_avatars import BONES, MIXAMO, PARENTS, PLACES, Made

JOINTS = tuple(name.replace(":", "_") for name in MIXAMO)
Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # the face looks along -Y


def rows(matrix: np.ndarray) -> Gf.Matrix4d:
    """USD's matrices are for row vectors."""
    return Gf.Matrix4d(matrix.T.tolist())


def frame(rotation: Rotation, place: Sequence[float], scale: float = 1.0) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation.as_matrix() * scale, place
    return matrix


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def make_usd_avatar(
    path: Path,
    *targets: list[str],
    joints: tuple[str, ...] = JOINTS,
    z_up: bool = False,
    unit: float = 1.0,
    bound: dict[str, float] | None = None,
    rest_pose: bool = True,
    texture: str | None = None,
) -> Made:
    """Writes an avatar with one mesh for each list of blend shapes, all on one skeleton.

    Nothing is where it seems: the root, every mesh and every joint are shifted and turned.

    Args:
        joints: names of hips, neck, head and eyes.
        z_up: +Z is up.
        unit: metres of one unit.
        bound: constant weights of an animation `idle` that is bound already, in an order of its own.
        rest_pose: the skeleton has one.
        texture: asset path of a picture that the material shows.
    """
    rng = np.random.default_rng(5)
    axes = Z_UP if z_up else np.eye(3)
    made = Made([], [], [], PLACES @ axes.T / unit, axes)
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z if z_up else UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, unit)
    stage.SetTimeCodesPerSecond(24)
    stage.GetRootLayer().customLayerData = {"author": "né 1985"}
    root = UsdSkel.Root.Define(stage, "/Avatar")
    stage.SetDefaultPrim(root.GetPrim())
    turns = Rotation.random(len(BONES) + len(targets) + 1, random_state=9)
    world = frame(turns[-1], [0.3, -0.2, 0.1], scale=0.5)
    root.AddTransformOp().Set(rows(world))

    for group in ("Rig", "Meshes"):
        UsdGeom.Xform.Define(stage, f"/Avatar/{group}")
    skeleton = UsdSkel.Skeleton.Define(stage, "/Avatar/Rig/Skeleton")
    frames = [
        np.linalg.inv(world) @ frame(turns[bone], made.places[bone]) for bone in range(len(BONES))
    ]
    rests = [
        matrix if parent is None else np.linalg.inv(frames[parent]) @ matrix
        for matrix, parent in zip(frames, PARENTS, strict=True)
    ]
    paths: list[str] = []
    for name, parent in zip(joints, PARENTS, strict=True):
        paths.append(name if parent is None else f"{paths[parent]}/{name}")
    skeleton.CreateJointsAttr(paths)
    skeleton.CreateBindTransformsAttr([rows(matrix) for matrix in frames])
    if rest_pose:
        skeleton.CreateRestTransformsAttr([rows(matrix) for matrix in rests])
    if bound is not None:
        idle = UsdSkel.Animation.Define(stage, "/Avatar/idle")
        idle.CreateBlendShapesAttr(list(bound))
        idle.CreateBlendShapeWeightsAttr(list(bound.values()))
        binding = UsdSkel.BindingAPI.Apply(root.GetPrim())
        binding.CreateAnimationSourceRel().SetTargets([idle.GetPath()])

    for index, names in enumerate(targets):
        V = max(len(names), 2 * len(BONES))
        vertices = (rng.normal(size=(V, 3)) * 0.1 + [0, 1.55, 0]) @ axes.T / unit
        bones = np.arange(V) % len(BONES)
        shapes = np.zeros((len(names), V, 3))
        shapes[np.arange(len(names)), np.arange(len(names))] = rng.normal(size=(len(names), 3))
        mesh = UsdGeom.Mesh.Define(stage, f"/Avatar/Meshes/part{index}")
        own = frame(turns[len(BONES) + index], rng.normal(size=3), scale=2.0)
        mesh.AddTransformOp().Set(rows(own))
        inverse = np.linalg.inv(world @ own)
        mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(moved(vertices, inverse).astype("f4")))
        mesh.CreateFaceVertexCountsAttr([3])
        mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
        binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
        binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
        binding.CreateGeomBindTransformAttr(rows(own))  # into the space of the skeleton
        binding.CreateJointIndicesPrimvar(False, 1).Set(bones.tolist())
        binding.CreateJointWeightsPrimvar(False, 1).Set([1.0] * V)
        places = [mesh.GetPath().AppendChild(f"shape{i}") for i in range(len(names))]
        for target, place in enumerate(places):
            shape = UsdSkel.BlendShape.Define(stage, place)
            offset = shapes[target, target] @ inverse[:3, :3].T
            shape.CreateOffsetsAttr([Gf.Vec3f(*offset.tolist())])
            shape.CreatePointIndicesAttr([target])
        binding.CreateBlendShapesAttr(names)
        binding.CreateBlendShapeTargetsRel().SetTargets(places)
        made.vertices.append(vertices)
        made.bones.append(bones)
        made.targets.append(shapes)
    if texture is not None:
        shader = UsdShade.Shader.Define(stage, "/Avatar/skin/picture")
        shader.CreateIdAttr("UsdUVTexture")
        shader.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(texture)
    if path.suffix == ".usdz":
        scene = path.with_suffix(".usdc")
        stage.GetRootLayer().Export(str(scene))
        assert UsdUtils.CreateNewUsdzPackage(str(scene), str(path))
        scene.unlink()
    else:
        stage.GetRootLayer().Export(str(path))
    return made


def baked(path: Path, mesh: int, seconds: float) -> np.ndarray:
    """[V, 3] in the world, after UsdSkel has turned the rig into moving points."""
    stage = Usd.Stage.Open(str(path))
    time = seconds * stage.GetTimeCodesPerSecond()
    assert UsdSkel.BakeSkinning(UsdSkel.Root(stage.GetDefaultPrim()), Gf.Interval(0, 1000))
    prim = UsdGeom.Mesh(stage.GetPrimAtPath(f"/Avatar/Meshes/part{mesh}"))
    world = np.array(prim.ComputeLocalToWorldTransform(0)).T
    return moved(np.array(prim.GetPointsAttr().Get(time), np.float64), world)
