"""GLB: head, named morph targets, joints and one animation, for every engine and browser.

The axes and units of glTF are ours (metres, +Y up, the face looks along +Z), so nothing is
converted. A viewer that applies morph targets first and then linear blend skinning, as glTF
prescribes, shows what `Face.forward` computes. Pose correctives, which only FLAME has, have no
place in glTF and are left out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pygltflib as gltf
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import check_fit, moving_joints
from adamesh.export.rest import (
    OTHER_ROUGHNESS,
    ROUGHNESS,
    as_array,
    is_uniform,
    strongest_joints,
    vertex_normals,
    with_identity,
)
from adamesh.faces.appearance import TEXTURED
from adamesh.files import atomic_output
from adamesh.media.color import to_linear
from adamesh.media.picture import png_bytes
from adamesh.motion import MotionClip
from adamesh.motion.rotation import continuous_quats
from adamesh.motion.spaces import coefficient_space

if TYPE_CHECKING:
    from adamesh.faces import Face

ANIMATION_NAME = "performance"


@dataclass(frozen=True)
class _Surface:
    """The triangles of one material, with vertices of their own, split where the UV map is cut."""

    name: str
    vertex: NDArray[np.int64]  # [N] index into the vertices of the face
    uv: NDArray[np.float32]  # [N, 2] origin at the top left, as glTF has it
    triangles: NDArray[np.int64]  # [M, 3]


class _Buffer:
    """Arrays of a glTF file, each with an accessor; equal arrays are stored once. And pictures."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[gltf.BufferView] = []
        self.accessors: list[gltf.Accessor] = []
        self._known: dict[tuple[object, ...], int] = {}

    def add(
        self,
        array: NDArray[Any],
        kind: str,
        *,
        target: int | None = None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Index of an accessor of `array`, [count, ...], whose dtype gives the component type."""
        components = {
            np.dtype(np.float32): gltf.FLOAT,
            np.dtype(np.uint8): gltf.UNSIGNED_BYTE,
            np.dtype(np.uint16): gltf.UNSIGNED_SHORT,
            np.dtype(np.uint32): gltf.UNSIGNED_INT,
        }
        raw = np.ascontiguousarray(array).tobytes()
        key = (raw, kind, components[array.dtype], target, bounds, normalized)
        if key in self._known:
            return self._known[key]
        flat = array.reshape(len(array), -1)
        self.views.append(
            gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(raw), target=target)
        )
        self.data += raw + bytes(-len(raw) % 4)
        self.accessors.append(
            gltf.Accessor(
                bufferView=len(self.views) - 1,
                byteOffset=0,
                componentType=components[array.dtype],
                count=len(array),
                type=kind,
                min=flat.min(axis=0).tolist() if bounds else None,
                max=flat.max(axis=0).tolist() if bounds else None,
                normalized=normalized,
            )
        )
        self._known[key] = len(self.accessors) - 1
        return self._known[key]

    def add_png(self, picture: NDArray[np.uint8]) -> int:
        """Index of the view of a picture [H, W, 3] sRGB."""
        raw = png_bytes(picture)
        self.views.append(gltf.BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(raw)))
        self.data += raw + bytes(-len(raw) % 4)
        return len(self.views) - 1


def write_glb(
    clip: MotionClip,
    path: Path,
    *,
    face: "Face",
    betas: ArrayLike | None = None,
    texture: NDArray[np.uint8] | None = None,
) -> None:
    """Writes the head with its animation at the frame rate of the clip.

    Args:
        clip: the performance; its coefficient space must be that of the face.
        path: the file; appears whole or not at all.
        face: the head to write; its joints must do for the clip.
        betas: [K] identity baked into the mesh and the joints; default: the average face.
        texture: [S, S, 3] sRGB in the face's UV map, for its skin.
    Raises:
        InputError: clip and face do not fit, or the identity has too many components.
    """
    check_fit(clip, face)
    buffer = _Buffer()
    vertices, joints = with_identity(face, betas)
    names = list(face.expression_names or coefficient_space(face.space).channels)

    model = gltf.GLTF2()
    model.asset = gltf.Asset(version="2.0", generator="AdaMesh")
    model.materials, primitives = [], []
    shapes = np.moveaxis(as_array(face.expressiondirs), -1, 0)  # [E, V, 3]
    normals = vertex_normals(vertices, as_array(face.triangles, np.int64))
    normal_shapes = [
        vertex_normals(vertices + shape, as_array(face.triangles, np.int64)) - normals
        for shape in shapes
    ]
    if texture is not None:
        model.images = [gltf.Image(bufferView=buffer.add_png(texture), mimeType=gltf.IMAGEPNG)]
        model.textures = [gltf.Texture(source=0, sampler=0)]
        model.samplers = [gltf.Sampler(wrapS=gltf.CLAMP_TO_EDGE, wrapT=gltf.CLAMP_TO_EDGE)]
    for surface in _surfaces(face):
        painted = texture is not None and surface.name in TEXTURED
        material, colors = _material(surface, None if painted else as_array(face.colors))
        model.materials.append(material)
        attributes = _attributes(buffer, surface, vertices, normals, colors)
        attributes |= _skinning(buffer, as_array(face.skin_weights)[surface.vertex])
        primitives.append(
            gltf.Primitive(
                attributes=gltf.Attributes(**attributes),
                indices=buffer.add(
                    _small_ints(surface.triangles.reshape(-1, 1)),
                    gltf.SCALAR,
                    target=gltf.ELEMENT_ARRAY_BUFFER,
                ),
                material=len(model.materials) - 1,
                targets=[
                    {
                        "POSITION": _vectors(buffer, shape[surface.vertex]),
                        "NORMAL": _vectors(buffer, turn[surface.vertex]),
                    }
                    for shape, turn in zip(shapes, normal_shapes, strict=True)
                ],
            )
        )
    model.meshes = [
        gltf.Mesh(
            name="head",
            primitives=primitives,
            weights=[0.0] * len(names),
            extras={"targetNames": names},
        )
    ]

    # The mesh is node 0; joint j is node j + 1.
    joint_nodes = _joint_nodes(face, joints)
    model.nodes = [gltf.Node(name="head", mesh=0, skin=0), *joint_nodes]
    model.skins = [
        gltf.Skin(
            name="head",
            joints=[j + 1 for j in range(len(joint_nodes))],
            inverseBindMatrices=buffer.add(_inverse_binds(joints), gltf.MAT4),
        )
    ]
    model.scenes = [gltf.Scene(nodes=[0, 1])]
    model.scene = 0
    model.animations = [_animation(buffer, clip, face, joints)]

    model.accessors, model.bufferViews = buffer.accessors, buffer.views
    model.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    model.set_binary_blob(bytes(buffer.data))
    with atomic_output(path) as temporary:
        model.save_binary(temporary)


def _surfaces(face: "Face") -> list[_Surface]:
    triangles = as_array(face.triangles, np.int64)
    uv, corners = as_array(face.uv), as_array(face.uv_triangles, np.int64)
    surfaces = []
    for index, name in enumerate(face.material_names):
        mine = np.flatnonzero(as_array(face.triangle_material, np.int64) == index)
        if len(mine) == 0:
            continue
        pairs = np.stack([triangles[mine], corners[mine]], axis=-1).reshape(-1, 2)
        unique, local = np.unique(pairs, axis=0, return_inverse=True)
        top_left = (uv[unique[:, 1]] * [1, -1] + [0, 1]).astype(np.float32)
        surfaces.append(_Surface(name, unique[:, 0], top_left, local.reshape(-1, 3)))
    return surfaces


def _material(
    surface: _Surface, colors: NDArray[np.float64] | None
) -> tuple[gltf.Material, NDArray[np.float64] | None]:
    """The material, and the linear vertex colours [N, 3] unless one colour does for all.

    Args:
        colors: [V, 3] sRGB; None where texture 0 has them.
    """
    mine = np.ones((1, 3)) if colors is None else to_linear(colors[surface.vertex])
    uniform = is_uniform(mine)
    base = mine.mean(axis=0) if uniform else np.ones(3)
    material = gltf.Material(
        name=surface.name,
        pbrMetallicRoughness=gltf.PbrMetallicRoughness(
            baseColorFactor=[*np.clip(base, 0, 1).tolist(), 1.0],
            baseColorTexture=gltf.TextureInfo(index=0) if colors is None else None,
            metallicFactor=0.0,
            roughnessFactor=ROUGHNESS.get(surface.name, OTHER_ROUGHNESS),
        ),
        doubleSided=True,  # lashes are single sheets, and the head is open below
        alphaMode=gltf.OPAQUE,
        alphaCutoff=None,
    )
    return material, None if uniform else mine


def _attributes(
    buffer: _Buffer,
    surface: _Surface,
    vertices: NDArray[np.float64],
    normals: NDArray[np.float64],
    colors: NDArray[np.float64] | None,
) -> dict[str, int]:
    attributes = {
        "POSITION": _vectors(buffer, vertices[surface.vertex]),
        "NORMAL": _vectors(buffer, normals[surface.vertex]),
        "TEXCOORD_0": buffer.add(surface.uv, gltf.VEC2, target=gltf.ARRAY_BUFFER),
    }
    if colors is not None:
        opaque = np.concatenate([colors, np.ones((len(colors), 1))], axis=1)
        packed = np.round(np.clip(opaque, 0, 1) * 65535).astype(np.uint16)
        attributes["COLOR_0"] = buffer.add(
            packed, gltf.VEC4, target=gltf.ARRAY_BUFFER, normalized=True
        )
    return attributes


def _skinning(buffer: _Buffer, weights: NDArray[np.float64]) -> dict[str, int]:
    """JOINTS_0 and WEIGHTS_0 of the largest influences, from skin weights [N, J]."""
    joints, kept = strongest_joints(weights)
    return {
        "JOINTS_0": buffer.add(joints.astype(np.uint8), gltf.VEC4, target=gltf.ARRAY_BUFFER),
        "WEIGHTS_0": buffer.add(kept.astype(np.float32), gltf.VEC4, target=gltf.ARRAY_BUFFER),
    }


def _joint_nodes(face: "Face", joints: NDArray[np.float64]) -> list[gltf.Node]:
    nodes = []
    parents = [int(p) for p in face.joint_parents]
    for j, (name, parent) in enumerate(zip(face.joint_names, parents, strict=True)):
        offset = joints[j] - (joints[parent] if parent >= 0 else 0)
        children = [c + 1 for c, p in enumerate(parents) if p == j]
        nodes.append(gltf.Node(name=name, translation=offset.tolist(), children=children))
    return nodes


def _inverse_binds(joints: NDArray[np.float64]) -> NDArray[np.float32]:
    """[J, 16] column-major: joints at rest are not turned, so the inverse is a shift."""
    matrices = np.tile(np.eye(4), (len(joints), 1, 1))
    matrices[:, :3, 3] = -joints
    return matrices.transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)


def _animation(
    buffer: _Buffer, clip: MotionClip, face: "Face", joints: NDArray[np.float64]
) -> gltf.Animation:
    times = (np.arange(clip.frames) / clip.fps).astype(np.float32)[:, None]
    clock = buffer.add(times, gltf.SCALAR, bounds=True)
    animation = gltf.Animation(name=ANIMATION_NAME, channels=[], samplers=[])

    def channel(node: int, path: str, values: NDArray[np.float32], kind: str) -> None:
        animation.samplers.append(
            gltf.AnimationSampler(
                input=clock, output=buffer.add(values, kind), interpolation=gltf.ANIM_LINEAR
            )
        )
        target = gltf.AnimationChannelTarget(node=node, path=path)
        animation.channels.append(
            gltf.AnimationChannel(sampler=len(animation.samplers) - 1, target=target)
        )

    channel(0, gltf.WEIGHTS, clip.expression.reshape(-1, 1), gltf.SCALAR)
    for joint, pose in moving_joints(clip).items():
        xyzw = np.roll(continuous_quats(pose), -1, axis=1).astype(np.float32)
        channel(face.joint_names.index(joint) + 1, gltf.ROTATION, xyzw, gltf.VEC4)
    if clip.transl is not None:
        channel(1, gltf.TRANSLATION, (joints[0] + clip.transl).astype(np.float32), gltf.VEC3)
    return animation


def _vectors(buffer: _Buffer, values: NDArray[np.float64]) -> int:
    # Only positions need bounds; they are given to all, so that equal arrays can be shared.
    return buffer.add(values.astype(np.float32), gltf.VEC3, target=gltf.ARRAY_BUFFER, bounds=True)


def _small_ints(values: NDArray[np.int64]) -> NDArray[np.uint16] | NDArray[np.uint32]:
    # 65535 restarts a strip in some engines, so glTF forbids it as an index.
    return values.astype(np.uint16) if values.max() < 65535 else values.astype(np.uint32)
