"""GLB: head, named morph targets, joints and one animation, for every engine and browser.

The axes and units of glTF are ours (metres, +Y up, the face looks along +Z), so nothing is
converted. A viewer that applies morph targets first and then linear blend skinning, as glTF
prescribes, shows what `Face.forward` computes. Pose correctives, which only FLAME has, have no
place in glTF and are left out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pygltflib as gltf
from numpy.typing import ArrayLike, NDArray

from adamesh.export.fitting import check_fit, moving_joints
from adamesh.export.glb_encodings import ENCODINGS, Plain, small_ints
from adamesh.export.job import Job
from adamesh.export.options import Encoding
from adamesh.export.rest import OTHER_ROUGHNESS, ROUGHNESS, Rest, at_rest, is_uniform
from adamesh.faces.appearance import TEXTURED
from adamesh.files import atomic_output
from adamesh.motion import MotionClip
from adamesh.motion.rotation import continuous_quats
from adamesh.values import Value

if TYPE_CHECKING:
    from adamesh.faces import Face

ANIMATION_NAME = "performance"


@dataclass(frozen=True, eq=False, repr=False)
class _Surface(Value):
    """The triangles of one material, with vertices of their own, split where the UV map is cut."""

    name: str
    vertex: NDArray[np.int64]  # [N] index into the vertices of the face
    uv: NDArray[np.float64]  # [N, 2] origin at the top left, as glTF has it
    triangles: NDArray[np.int64]  # [M, 3]


def write(job: Job) -> None:
    write_glb(
        job.clip,
        job.path,
        face=job.face,
        betas=job.betas,
        encoding=job.options.encoding,
        texture=job.texture,
    )


def write_glb(
    clip: MotionClip,
    path: Path,
    *,
    face: "Face",
    betas: ArrayLike | None = None,
    encoding: Encoding = "plain",
    texture: NDArray[np.uint8] | None = None,
) -> None:
    """Writes the head with its animation at the frame rate of the clip.

    Args:
        clip: the performance; its coefficient space must be that of the face.
        path: the file; appears whole or not at all.
        face: the head to write; its joints must do for the clip.
        betas: [K] identity baked into the mesh and the joints; default: the average face.
        encoding: how arrays are stored, see `glb_encodings`.
        texture: [S, S, 3] sRGB in the face's UV map, for its skin.
    Raises:
        InputError: clip and face do not fit, or the identity has too many components.
    """
    check_fit(clip, face)
    rest = at_rest(face, betas)
    encoder = ENCODINGS[encoding](rest.vertices)
    buffer = encoder.buffer

    model = gltf.GLTF2()
    model.asset = gltf.Asset(version="2.0", generator="AdaMesh")
    model.materials, primitives = [], []
    if texture is not None:
        model.images = [
            gltf.Image(bufferView=encoder.buffer.add_png(texture), mimeType=gltf.IMAGEPNG)
        ]
        model.textures = [gltf.Texture(source=0, sampler=0)]
        model.samplers = [gltf.Sampler(wrapS=gltf.CLAMP_TO_EDGE, wrapT=gltf.CLAMP_TO_EDGE)]
    for surface in _surfaces(rest):
        painted = texture is not None and surface.name in TEXTURED
        material, colors = _material(surface, None if painted else rest.colors)
        model.materials.append(material)
        attributes = _attributes(encoder, surface, rest, colors)
        primitives.append(
            gltf.Primitive(
                attributes=gltf.Attributes(**attributes),
                indices=buffer.add(
                    small_ints(surface.triangles.reshape(-1, 1)),
                    gltf.SCALAR,
                    target=gltf.ELEMENT_ARRAY_BUFFER,
                ),
                material=len(model.materials) - 1,
                targets=[
                    {
                        "POSITION": encoder.position_deltas(shape[surface.vertex]),
                        "NORMAL": encoder.normal_deltas(turn[surface.vertex]),
                    }
                    for shape, turn in zip(rest.shapes, rest.turns, strict=True)
                ],
            )
        )
    model.meshes = [
        gltf.Mesh(
            name="head",
            primitives=primitives,
            weights=[0.0] * len(rest.shape_names),
            extras={"targetNames": rest.shape_names},
        )
    ]

    # The mesh is node 0; joint j is node j + 1.
    joint_nodes = _joint_nodes(face, rest.offsets)
    model.nodes = [gltf.Node(name="head", mesh=0, skin=0), *joint_nodes]
    model.skins = [
        gltf.Skin(
            name="head",
            joints=[j + 1 for j in range(len(joint_nodes))],
            inverseBindMatrices=encoder.inverse_binds(_inverse_binds(rest.joints)),
        )
    ]
    model.scenes = [gltf.Scene(nodes=[0, 1])]
    model.scene = 0
    model.animations = [_animation(encoder, clip, face, rest.joints)]

    model.extensionsUsed = model.extensionsRequired = list(encoder.extensions)
    model.accessors, model.bufferViews = buffer.accessors, buffer.views
    model.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    model.set_binary_blob(bytes(buffer.data))
    with atomic_output(path) as temporary:
        model.save_binary(temporary)


def _surfaces(rest: Rest) -> list[_Surface]:
    surfaces = []
    for name, mine in rest.materials.items():
        pairs = np.stack([rest.triangles[mine], rest.uv_triangles[mine]], axis=-1).reshape(-1, 2)
        unique, local = np.unique(pairs, axis=0, return_inverse=True)
        top_left = rest.uv[unique[:, 1]] * [1, -1] + [0, 1]
        surfaces.append(_Surface(name, unique[:, 0], top_left, local.reshape(-1, 3)))
    return surfaces


def _material(
    surface: _Surface, colors: NDArray[np.float64] | None
) -> tuple[gltf.Material, NDArray[np.float64] | None]:
    """The material, and the linear vertex colours [N, 3] unless one colour does for all.

    Args:
        colors: [V, 3] linear; None where texture 0 has them.
    """
    mine = np.ones((1, 3)) if colors is None else colors[surface.vertex]
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
    encoder: Plain, surface: _Surface, rest: Rest, colors: NDArray[np.float64] | None
) -> dict[str, int]:
    mine = surface.vertex
    attributes = {
        "POSITION": encoder.positions(rest.vertices[mine]),
        "NORMAL": encoder.normals(rest.normals[mine]),
        "TEXCOORD_0": encoder.uv(surface.uv),
    }
    if colors is not None:
        opaque = np.concatenate([colors, np.ones((len(colors), 1))], axis=1)
        packed = np.round(np.clip(opaque, 0, 1) * 65535).astype(np.uint16)
        attributes["COLOR_0"] = encoder.buffer.add(
            packed, gltf.VEC4, target=gltf.ARRAY_BUFFER, normalized=True
        )
    joints = rest.skin_joints[mine].astype(np.uint8)
    attributes["JOINTS_0"] = encoder.buffer.add(joints, gltf.VEC4, target=gltf.ARRAY_BUFFER)
    attributes["WEIGHTS_0"] = encoder.skin_weights(rest.skin_weights[mine])
    return attributes


def _joint_nodes(face: "Face", offsets: NDArray[np.float64]) -> list[gltf.Node]:
    nodes = []
    parents = [int(p) for p in face.joint_parents]
    for j, (name, offset) in enumerate(zip(face.joint_names, offsets.tolist(), strict=True)):
        children = [c + 1 for c, p in enumerate(parents) if p == j]
        nodes.append(gltf.Node(name=name, translation=offset, children=children))
    return nodes


def _inverse_binds(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """[J, 4, 4]: joints at rest are not turned, so the inverse is a shift."""
    matrices = np.tile(np.eye(4), (len(joints), 1, 1))
    matrices[:, :3, 3] = -joints
    return matrices


def _animation(
    encoder: Plain, clip: MotionClip, face: "Face", joints: NDArray[np.float64]
) -> gltf.Animation:
    times = (np.arange(clip.frames) / clip.fps).astype(np.float32)[:, None]
    clock = encoder.buffer.add(times, gltf.SCALAR, bounds=True)
    animation = gltf.Animation(name=ANIMATION_NAME, channels=[], samplers=[])

    def channel(node: int, path: str, output: int) -> None:
        animation.samplers.append(
            gltf.AnimationSampler(input=clock, output=output, interpolation=gltf.ANIM_LINEAR)
        )
        target = gltf.AnimationChannelTarget(node=node, path=path)
        animation.channels.append(
            gltf.AnimationChannel(sampler=len(animation.samplers) - 1, target=target)
        )

    channel(0, gltf.WEIGHTS, encoder.morph_weights(clip.expression))
    for joint, pose in moving_joints(clip).items():
        node = face.joint_names.index(joint) + 1
        xyzw = np.roll(continuous_quats(pose), -1, axis=1).astype(np.float32)
        channel(node, gltf.ROTATION, encoder.buffer.add(xyzw, gltf.VEC4))
    if clip.transl is not None:
        places = (joints[0] + clip.transl).astype(np.float32)
        channel(1, gltf.TRANSLATION, encoder.buffer.add(places, gltf.VEC3))
    return animation
