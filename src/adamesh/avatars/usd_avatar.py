"""A USD file as an avatar: the blend shapes and joints that UsdSkel moves, and an animation added to them.

A skeleton plays one SkelAnimation. Ours becomes a child of the skeleton, and the skeleton is bound to it; an
animation that was bound before stays in the file. Blend shapes go by name: meshes of one skeleton that have
one of the same name share its weight.
"""

import contextlib
import os
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdSkel, UsdUtils, Vt

from adamesh.avatars.avatar import (
    ANIMATION_NAME,
    Bone,
    Float,
    Place,
    no_rotation,
    rotation_and_scale,
)
from adamesh.errors import InputError
from adamesh.files import atomic_output, temporary_folder
from adamesh.media.usd import save_layer, save_package

_AT_REST = Usd.TimeCode.EarliestTime()  # of what moves in the scene, its first place


def read_usd_avatar(path: Path) -> "UsdAvatar":
    """Reads a .usda, .usdc, .usd or .usdz.

    Raises:
        InputError: no USD, or damaged.
    """
    with _errors_of_usd(path):
        stage = Usd.Stage.Open(str(path))
        return UsdAvatar(path, stage, list(_rigs(stage)))


@contextlib.contextmanager
def _errors_of_usd(path: Path) -> Iterator[None]:
    """What USD says of damaged values, which it may find only when they are asked for, in one line.

    Raises:
        InputError: as said.
    """
    try:
        yield
    except Tf.ErrorException as error:
        raise _damaged(path, "it cannot be read as USD") from error


@dataclass(frozen=True)
class _Rig:
    """A skeleton, and the meshes that it moves: their places and the names of their blend shapes."""

    skeleton: Any  # UsdSkel.SkeletonQuery
    meshes: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class UsdAvatar:
    """See `avatar.Avatar`; meshes and joints are counted through all skeletons."""

    path: Path
    stage: Any  # Usd.Stage
    rigs: list[_Rig]

    expressions: ClassVar[list[tuple[str, Mapping[Place, float]]]] = []
    humanoid: ClassVar[Mapping[str, int]] = {}
    look_at: ClassVar[str | None] = None

    @property
    def front(self) -> str:
        return "-Y" if UsdGeom.GetStageUpAxis(self.stage) == UsdGeom.Tokens.z else "+Z"

    @cached_property
    def targets(self) -> dict[Place, str]:
        return {
            (mesh, target): name
            for mesh, (_, _, names) in enumerate(self._meshes)
            for target, name in enumerate(names)
        }

    @cached_property
    def bones(self) -> list[Bone]:
        orders = [rig.skeleton.GetJointOrder() for rig in self.rigs]
        return [Bone(orders[rig][joint].rsplit("/")[-1]) for rig, joint in self._joints]

    def mesh_name(self, mesh: int) -> str:
        return self._meshes[mesh][1]

    def moved_share(self, place: Place, bones: Collection[int]) -> float:
        rig, path, names = self._meshes[place[0]]
        binding = UsdSkel.BindingAPI(self.stage.GetPrimAtPath(path))
        tokens = list(binding.GetBlendShapesAttr().Get() or ())
        shapes = binding.GetBlendShapeTargetsRel().GetTargets()
        number = tokens.index(names[place[1]])
        shape = UsdSkel.BlendShape(self.stage.GetPrimAtPath(shapes[number]))
        far = np.linalg.norm(np.array(shape.GetOffsetsAttr().Get() or np.zeros((0, 3))), axis=1)
        points = np.array(shape.GetPointIndicesAttr().Get() or np.arange(len(far)))
        indices, weights = binding.GetJointIndicesPrimvar(), binding.GetJointWeightsPrimvar()
        joints, shares = indices.Get(), weights.Get()
        if not far.sum() or joints is None or shares is None or len(joints) != len(shares):
            return 0.0
        size = max(indices.GetElementSize(), 1)
        order = binding.GetJointsAttr().Get() or self.rigs[rig].skeleton.GetJointOrder()
        named = {
            self.rigs[self._joints[b][0]].skeleton.GetJointOrder()[self._joints[b][1]]
            for b in bones
        }
        theirs = [i for i, joint in enumerate(order) if joint in named]
        bound = np.isin(np.array(joints), theirs) * np.array(shares)
        per_point = bound.reshape(-1, size).sum(1)
        if indices.GetInterpolation() == UsdGeom.Tokens.constant:
            per_point = np.full(int(points.max()) + 1, per_point.sum())
        if len(points) != len(far) or points.min() < 0 or points.max() >= len(per_point):
            return 0.0
        return float((far * per_point[points]).sum() / far.sum())

    def rest(self, bone: int) -> tuple[Float, Float]:
        rig, joint = self._joints[bone]
        skeleton = self.rigs[rig].skeleton
        world = UsdGeom.XformCache(_AT_REST).GetLocalToWorldTransform(skeleton.GetPrim())
        above = skeleton.GetTopology().GetParent(joint)
        if above >= 0:
            self._local(bone)  # says whether there is a rest pose
            world = skeleton.ComputeJointSkelTransforms(_AT_REST, True)[above] * world
        parts = [rotation_and_scale(_columns(part)) for part in (world, self._local(bone))]
        if parts[0] is None or parts[1] is None:
            raise no_rotation(self, self.bones[bone].name)
        return parts[0][0], parts[1][0]

    def write(
        self,
        path: Path,
        fps: float,
        weights: Mapping[Place, Float],
        rotations: Mapping[int, Float],
    ) -> None:
        curves = (fps, weights, rotations)
        with _errors_of_usd(self.path), atomic_output(path) as temporary:
            if path.suffix.lower() == ".usdz":
                with temporary_folder() as folder:
                    parts = _unpack(self.path, folder)
                    first = next(iter(parts.values()))  # the scene, by the specification
                    layer = Sdf.Layer.FindOrOpen(str(first))
                    self._animate(layer, *curves)
                    save_layer(layer, first)
                    save_package(temporary, parts)
            else:
                layer = self._copy()
                self._animate(layer, *curves)
                _keep_links(layer, path.parent)
                save_layer(layer, temporary)

    def _copy(self) -> Any:
        """The file's layer as a new one in the same folder, of which nothing is on the disk."""
        original = self.stage.GetRootLayer()
        name = self.path.absolute().with_name(f"{uuid4()}{self.path.suffix}")
        layer = Sdf.Layer.New(original.GetFileFormat(), str(name))
        layer.TransferContent(original)
        return layer

    def _animate(
        self, layer: Any, fps: float, weights: Mapping[Place, Float], rotations: Mapping[int, Float]
    ) -> None:
        """Adds the curves to a layer that is the scene's own, or a copy of it."""
        stage = Usd.Stage.Open(layer)
        frames = len(next(iter((*weights.values(), *rotations.values()))))
        times = np.arange(frames) * (stage.GetTimeCodesPerSecond() / fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(times[-1])
        for index, rig in enumerate(self.rigs):
            shapes = {
                self.targets[place]: curve
                for place, curve in weights.items()
                if self._meshes[place[0]][0] == index
            }
            turns = {
                bone: curve for bone, curve in rotations.items() if self._joints[bone][0] == index
            }
            if not shapes and not turns:
                continue
            skeleton = stage.GetPrimAtPath(rig.skeleton.GetPrim().GetPath())
            place = skeleton.GetPath().AppendChild(ANIMATION_NAME)
            stage.RemovePrim(place)
            animation = UsdSkel.Animation.Define(stage, place)
            self._add_weights(animation, times, rig, shapes)
            self._add_turns(animation, times, rig, turns)
            binding = UsdSkel.BindingAPI.Apply(skeleton)
            binding.CreateAnimationSourceRel().SetTargets([place])

    def _add_weights(
        self, animation: Any, times: Float, rig: _Rig, shapes: Mapping[str, Float]
    ) -> None:
        """A curve of each blend shape; those that do not move have their weight at rest."""
        rest = {name: 0.0 for _, names in rig.meshes for name in names} | _constant_weights(rig)
        together = np.tile(np.array(list(rest.values()), np.float32), (len(times), 1))
        for column, name in enumerate(rest):
            together[:, column] = shapes.get(name, rest[name])
        animation.CreateBlendShapesAttr(list(rest))
        attribute = animation.CreateBlendShapeWeightsAttr(list(rest.values()))
        for time, row in zip(times, together, strict=True):
            attribute.Set(Vt.FloatArray.FromNumpy(row), time)

    def _add_turns(
        self, animation: Any, times: Float, rig: _Rig, turns: Mapping[int, Float]
    ) -> None:
        """Rotations of the joints that turn; UsdSkel takes the others from the rest pose."""
        if not turns:
            return
        order = rig.skeleton.GetJointOrder()
        animation.CreateJointsAttr([order[self._joints[bone][1]] for bone in turns])
        rests = [self._local(bone) for bone in turns]
        scales = [rotation_and_scale(_columns(rest)) for rest in rests]
        # Readers want all three of translations, rotations and scales, or they take none of them.
        animation.CreateTranslationsAttr([Gf.Vec3f(rest.ExtractTranslation()) for rest in rests])
        animation.CreateScalesAttr([Gf.Vec3h(*parts[1]) for parts in scales if parts is not None])
        attribute = animation.CreateRotationsAttr()
        quats = np.roll(np.stack(list(turns.values()), axis=1), -1, axis=2)  # x, y, z, w in memory
        for time, row in zip(times, quats.astype(np.float32), strict=True):
            attribute.Set(Vt.QuatfArray.FromNumpy(row), time)

    @cached_property
    def _meshes(self) -> list[tuple[int, str, list[str]]]:
        """Rig, place and blend shapes of each mesh."""
        return [(i, *mesh) for i, rig in enumerate(self.rigs) for mesh in rig.meshes]

    @cached_property
    def _joints(self) -> list[tuple[int, int]]:
        """Rig of each joint, and its place there."""
        return [
            (index, joint)
            for index, rig in enumerate(self.rigs)
            for joint in range(len(rig.skeleton.GetJointOrder()))
        ]

    def _local(self, bone: int) -> Any:
        """The joint at rest, in its parent, as Gf.Matrix4d."""
        rig, joint = self._joints[bone]
        rest = self.rigs[rig].skeleton.ComputeJointLocalTransforms(_AT_REST, True)
        if not rest:
            raise no_rotation(self, self.bones[bone].name)
        return rest[joint]


def _rigs(stage: Any) -> Iterator[_Rig]:
    """Every skeleton below a SkelRoot that UsdSkel understands."""
    cache = UsdSkel.Cache()
    for prim in stage.Traverse():
        root = UsdSkel.Root(prim)
        if not root:
            continue
        cache.Populate(root, Usd.PrimDefaultPredicate)
        for binding in cache.ComputeSkelBindings(root, Usd.PrimDefaultPredicate):
            query = cache.GetSkelQuery(binding.GetSkeleton())
            targets = [target for target in binding.GetSkinningTargets() if target.HasBlendShapes()]
            if query:
                yield _Rig(
                    query,
                    [(str(t.GetPrim().GetPath()), list(t.GetBlendShapeOrder())) for t in targets],
                )


def _constant_weights(rig: _Rig) -> dict[str, float]:
    """Weights that the bound animation gives for all times: how an avatar's shape is chosen."""
    query = rig.skeleton.GetAnimQuery()
    if not query:
        return {}
    weights = UsdSkel.Animation(query.GetPrim()).GetBlendShapeWeightsAttr().Get()
    return dict(zip(query.GetBlendShapeOrder(), weights or (), strict=False))


def _columns(matrix: Any) -> Float:
    """[3, 3] of a Gf.Matrix4d, for column vectors; USD's are for rows."""
    return np.array(matrix)[:3, :3].T


def _keep_links(layer: Any, folder: Path) -> None:
    """Lets the relative paths of a layer lead to the same files from another folder."""
    before = Path(layer.realPath or layer.identifier).parent

    def moved(link: str) -> str:
        place = before / link
        if Path(link).is_absolute() or not (link.startswith(".") or place.exists()):
            return link  # it is found by a search path, or nowhere
        relative = Path(os.path.relpath(place, folder.absolute())).as_posix()
        return relative if relative.startswith(".") else f"./{relative}"

    if before != folder.absolute():
        UsdUtils.ModifyAssetPaths(layer, moved)


def _unpack(package: Path, folder: Path) -> dict[str, Path]:
    """The files of a .usdz by name, written below `folder`.

    Raises:
        InputError: it is packed, or holds names that lead elsewhere.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            strange = any(
                Path(info.filename).is_absolute() or ".." in Path(info.filename).parts
                for info in files
            )
            if strange or sum(info.file_size for info in files) > package.stat().st_size:
                raise _damaged(package, "it is no package as USD makes them")
            return {info.filename: Path(archive.extract(info, folder)) for info in files}
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(package, "it is no zip archive") from error


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"avatar '{path}' is damaged: {what}; export it again")
