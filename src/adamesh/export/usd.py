"""USD: a skinned head with blend shapes, joints, preview materials, its animation and its speech.

The axes and units are ours (metres, +Y up, the face looks along +Z), so nothing is converted. UsdSkel
applies blend shapes first and then linear blend skinning, which is what `Face.forward` computes. Pose
correctives and joints that follow expression, which only FLAME has, have no place in it and are left out.

One time code is one frame: the stage's time codes per second are the clip's frame rate.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Kind, Sdf, Tf, Usd, UsdGeom, UsdMedia, UsdShade, UsdSkel, Vt

from adamesh.export.fitting import check_fit, moving_joints
from adamesh.export.job import Job
from adamesh.export.rest import (
    LEAST_MOVE,
    LEAST_TURN,
    MAX_INFLUENCES,
    OTHER_ROUGHNESS,
    ROUGHNESS,
    Rest,
    at_rest,
    is_uniform,
)
from adamesh.faces.appearance import TEXTURED
from adamesh.files import atomic_output, temporary_folder
from adamesh.media.audio import write_wav
from adamesh.media.picture import write_png
from adamesh.media.usd import save_layer, save_package
from adamesh.motion import MotionClip
from adamesh.motion.rotation import continuous_quats

if TYPE_CHECKING:
    from adamesh.faces import Face

HEAD = Sdf.Path("/Head")


def write(job: Job) -> None:
    """Writes `.usda` (text) or `.usdc` (binary); sound and texture are named as the files beside it.

    Raises:
        InputError: clip and face do not fit, the identity has too many components, or the folder
            cannot be written.
    """
    stage = _stage(job)
    with atomic_output(job.path) as temporary:
        save_layer(stage.GetRootLayer(), temporary)


def write_package(job: Job) -> None:
    """Writes a `.usdz`: the binary stage, the sound and the picture of the skin in one package.

    Raises:
        InputError: as `write`.
    """
    path, stage = job.path, _stage(job)
    with atomic_output(path) as temporary, temporary_folder() as folder:
        scene = folder / f"{path.stem}.usdc"
        save_layer(stage.GetRootLayer(), scene)
        parts = {scene.name: scene}
        if job.audio is not None:
            sound = parts.setdefault(f"{path.stem}.wav", folder / f"{path.stem}.wav")
            write_wav(sound, *job.audio)
        if job.texture is not None:
            picture = parts.setdefault(f"{path.stem}.png", folder / f"{path.stem}.png")
            write_png(picture, job.texture)
        save_package(temporary, parts)


def _stage(job: Job) -> Any:
    """The whole scene in memory; sound and texture are named, not written."""
    clip, face = job.clip, job.face
    check_fit(clip, face)
    rest = at_rest(face, job.betas)
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(clip.fps)
    stage.SetFramesPerSecond(clip.fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(clip.frames - 1)

    root = UsdSkel.Root.Define(stage, HEAD)
    stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    skeleton = _skeleton(stage, face, rest)
    animation = _animation(stage, clip, face, rest)
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    mesh = _mesh(stage, rest)
    _bind(mesh, rest, skeleton)
    _blend_shapes(stage, mesh, rest)
    _materials(stage, mesh, rest, None if job.texture is None else f"{job.path.stem}.png")
    if job.audio is not None:
        _speech(stage, f"{job.path.stem}.wav")
    return stage


def _skeleton(stage: Any, face: "Face", rest: Rest) -> Any:
    skeleton = UsdSkel.Skeleton.Define(stage, HEAD.AppendChild("Skeleton"))
    skeleton.CreateJointsAttr(_joint_paths(face))
    skeleton.CreateJointNamesAttr(list(face.joint_names))
    skeleton.CreateBindTransformsAttr(_shifts(rest.joints))
    skeleton.CreateRestTransformsAttr(_shifts(rest.offsets))
    return skeleton


def _animation(stage: Any, clip: MotionClip, face: "Face", rest: Rest) -> Any:
    animation = UsdSkel.Animation.Define(stage, HEAD.AppendChild("Performance"))
    animation.CreateBlendShapesAttr(rest.shape_names)
    animation.CreateJointsAttr(_joint_paths(face))
    weights = animation.CreateBlendShapeWeightsAttr()
    for frame, row in enumerate(clip.expression):
        weights.Set(Vt.FloatArray.FromNumpy(row), frame)

    J = len(rest.joints)
    rotations = np.tile(
        np.array([0, 0, 0, 1], np.float32), (clip.frames, J, 1)
    )  # x, y, z, w in memory
    for joint, pose in moving_joints(clip).items():
        rotations[:, face.joint_names.index(joint)] = np.roll(continuous_quats(pose), -1, axis=1)
    attribute = animation.CreateRotationsAttr()
    for frame, turned in enumerate(rotations):
        attribute.Set(Vt.QuatfArray.FromNumpy(turned), frame)

    # Readers want all three of translations, rotations and scales, or they take none of them.
    animation.CreateScalesAttr(Vt.Vec3hArray(J, Gf.Vec3h(1, 1, 1)))
    attribute = animation.CreateTranslationsAttr()
    if clip.transl is None:
        attribute.Set(_vectors(rest.offsets))
    else:
        for frame, shift in enumerate(clip.transl):
            moved = rest.offsets.copy()
            moved[0] += shift
            attribute.Set(_vectors(moved), frame)
    return animation


def _mesh(stage: Any, rest: Rest) -> Any:
    vertices = rest.vertices
    mesh = UsdGeom.Mesh.Define(stage, HEAD.AppendChild("Mesh"))
    mesh.CreatePointsAttr(_vectors(vertices))
    mesh.CreateExtentAttr(_vectors(np.stack([vertices.min(axis=0), vertices.max(axis=0)])))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray(len(rest.triangles), 3))
    mesh.CreateFaceVertexIndicesAttr(_ints(rest.triangles))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)  # lashes are single sheets, and the head is open below
    mesh.CreateNormalsAttr(_vectors(rest.normals))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    primvars = UsdGeom.PrimvarsAPI(mesh)
    uv = primvars.CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying
    )
    uv.Set(Vt.Vec2fArray.FromNumpy(rest.uv.astype(np.float32)))
    uv.SetIndices(_ints(rest.uv_triangles))
    color = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
    color.Set(_vectors(rest.colors))
    return mesh


def _bind(mesh: Any, rest: Rest, skeleton: Any) -> None:
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
    binding.CreateJointIndicesPrimvar(False, MAX_INFLUENCES).Set(_ints(rest.skin_joints))
    binding.CreateJointWeightsPrimvar(False, MAX_INFLUENCES).Set(
        Vt.FloatArray.FromNumpy(rest.skin_weights.reshape(-1).astype(np.float32))
    )


def _blend_shapes(stage: Any, mesh: Any, rest: Rest) -> None:
    targets = []
    for name, offsets, turns in zip(rest.shape_names, rest.shapes, rest.turns, strict=True):
        changed = np.flatnonzero(
            (np.abs(offsets).max(axis=1) > LEAST_MOVE) | (np.abs(turns).max(axis=1) > LEAST_TURN)
        )
        place = mesh.GetPath().AppendChild(Tf.MakeValidIdentifier(name))
        shape = UsdSkel.BlendShape.Define(stage, place)
        shape.CreateOffsetsAttr(_vectors(offsets[changed]))
        shape.CreateNormalOffsetsAttr(_vectors(turns[changed]))
        shape.CreatePointIndicesAttr(_ints(changed))
        targets.append(place)
    binding = UsdSkel.BindingAPI(mesh)
    binding.CreateBlendShapesAttr(rest.shape_names)
    binding.CreateBlendShapeTargetsRel().SetTargets(targets)


def _materials(stage: Any, mesh: Any, rest: Rest, texture: str | None) -> None:
    """A preview surface for the triangles of each material, in their one colour, the mesh's own or those of
    the picture."""
    for name, mine in rest.materials.items():
        place = HEAD.AppendChild("Materials").AppendChild(Tf.MakeValidIdentifier(name))
        material = UsdShade.Material.Define(stage, place)
        surface = UsdShade.Shader.Define(stage, place.AppendChild("Surface"))
        surface.CreateIdAttr("UsdPreviewSurface")
        surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
        roughness = surface.CreateInput("roughness", Sdf.ValueTypeNames.Float)
        roughness.Set(ROUGHNESS.get(name, OTHER_ROUGHNESS))
        diffuse = surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
        painted = rest.colors[rest.triangles[mine].reshape(-1)]
        if texture is not None and name in TEXTURED:
            diffuse.ConnectToSource(_picture(stage, place, texture))
        elif is_uniform(painted):
            diffuse.Set(Gf.Vec3f(*painted.mean(axis=0).tolist()))
        else:
            reader = UsdShade.Shader.Define(stage, place.AppendChild("Color"))
            reader.CreateIdAttr("UsdPrimvarReader_float3")
            reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
            result = reader.CreateOutput("result", Sdf.ValueTypeNames.Float3)
            diffuse.ConnectToSource(result)
        output = surface.CreateOutput("surface", Sdf.ValueTypeNames.Token)
        material.CreateSurfaceOutput().ConnectToSource(output)
        subset = UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).CreateMaterialBindSubset(
            f"{Tf.MakeValidIdentifier(name)}Triangles", _ints(mine)
        )
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)


def _picture(stage: Any, place: Any, file: str) -> Any:
    """The colour output of a picture beside the file, looked up by the mesh's UV map."""
    reader = UsdShade.Shader.Define(stage, place.AppendChild("Place"))
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    picture = UsdShade.Shader.Define(stage, place.AppendChild("Picture"))
    picture.CreateIdAttr("UsdUVTexture")
    picture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{file}"))
    picture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    for axis in ("wrapS", "wrapT"):
        picture.CreateInput(axis, Sdf.ValueTypeNames.Token).Set("clamp")
    places = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    picture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(places)
    return picture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)


def _speech(stage: Any, sound: str) -> None:
    # It starts with the first frame, time code 0, which is the default.
    speech = UsdMedia.SpatialAudio.Define(stage, HEAD.AppendChild("Speech"))
    speech.CreateFilePathAttr(Sdf.AssetPath(f"./{sound}"))
    speech.CreateAuralModeAttr(UsdMedia.Tokens.nonSpatial)
    speech.CreatePlaybackModeAttr(UsdMedia.Tokens.onceFromStart)


def _joint_paths(face: "Face") -> list[str]:
    """`root/neck/head` and so on, as UsdSkel tells a joint's parent."""
    paths: list[str] = []
    for name, parent in zip(face.joint_names, face.joint_parents, strict=True):
        paths.append(name if parent < 0 else f"{paths[parent]}/{name}")
    return paths


def _shifts(places: NDArray[np.float64]) -> Any:
    return Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*p)) for p in places.tolist()])


def _vectors(values: NDArray[np.float64]) -> Any:
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, np.float32))


def _ints(values: NDArray[np.int64]) -> Any:
    return Vt.IntArray.FromNumpy(values.reshape(-1).astype(np.int32))
