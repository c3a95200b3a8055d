"""Which morph targets and bones of an avatar show what."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from adamesh.avatars.gltf import Glb
from adamesh.avatars.mapfile import AvatarMap
from adamesh.avatars.names import (
    ACTIONS,
    BONES,
    BOTH_SIDES,
    HUMANOID,
    ONE_LID,
    VISEME_SHAPES,
    VISEMES,
    VRM0_PRESETS,
    Gains,
    find_bone,
    find_shape,
)
from adamesh.avatars.visemes import viseme_actions
from adamesh.errors import InputError
from adamesh.formats.containers import listed
from adamesh.motion.spaces import ARKIT52

Place = tuple[int, int]  # a node that shows a mesh, and one of the mesh's morph targets


@dataclass(frozen=True)
class Match:
    """What of an avatar will move.

    Attributes:
        avatar: the file.
        names: name of every morph target.
        gains: what moves a target; those that are not there stay as they are.
        bones: node of each of `names.BONES` that was found.
        turned: the face looks along -Z, as that of VRM 0.x does.
    """

    avatar: Glb
    names: Mapping[Place, str]
    gains: Mapping[Place, Gains]
    bones: Mapping[str, int]
    turned: bool

    @property
    def controls(self) -> set[str]:
        """All that move something."""
        return {control for gains in self.gains.values() for control in gains}

    @property
    def unmatched(self) -> list[str]:
        """Names of the morph targets that nothing moves."""
        found = {self.names[place] for place in self.gains}
        return sorted(set(self.names.values()) - found)

    def facts(self) -> dict[str, object]:
        """The mapping in plain values, for people and for JSON."""
        morphs: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        for place, gains in self.gains.items():
            morphs[self.avatar.node_name(place[0])][self.names[place]] = dict(gains)
        shown = self.controls.union(
            *(viseme_actions(viseme) for viseme in self.controls.intersection(VISEMES))
        )
        return {
            "morphs": morphs,
            "unmatched": self.unmatched,
            "not_shown": [name for name in ARKIT52 if name not in shown],
            "bones": {
                bone: self.avatar.node_name(self.bones[bone]) if bone in self.bones else None
                for bone in BONES
            },
            "front": "-Z" if self.turned else "+Z",
        }


def match(avatar: Glb, given: AvatarMap) -> Match:
    """Finds morph targets and bones by the map file, by the VRM extension and by their names.

    Raises:
        InputError: the map names a target or a bone that the avatar lacks.
    """
    names = {
        (index, target): name
        for index in range(len(avatar.document.nodes))
        if (mesh := avatar.mesh_of(index)) is not None
        for target, name in enumerate(mesh.target_names())
    }
    unknown = [name for name in given.morphs if name not in names.values()]
    if unknown:
        raise InputError(
            f"avatar '{avatar.path}' has no morph target {listed(unknown)}, which the map names; "
            f"it has {listed(sorted(set(names.values()))) or 'none'}"
        )
    own = {place: given.morphs[name] for place, name in names.items() if name in given.morphs}
    free = {place: name for place, name in names.items() if place not in own}
    has_jaw = any("jawOpen" in gains for gains in own.values())
    found = {**_find_shapes(avatar, free, has_jaw=has_jaw), **own}
    extensions = avatar.document.extensions
    return Match(
        avatar=avatar,
        names=names,
        gains={place: found[place] for place in names if found.get(place)},
        bones=_bones(avatar, given),
        turned=extensions.VRM is not None and extensions.VRMC_vrm is None,
    )


@dataclass
class _Found:
    """Targets by what moves them; what one table or source has moved is not moved by a later one."""

    gains: dict[Place, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    controls: set[str] = field(default_factory=set)

    def add(self, matches: list[tuple[Gains, dict[Place, float]]]) -> None:
        new = [pair for pair in matches if not self.controls.intersection(pair[0])]
        for gains, places in new:
            for place, weight in places.items():
                for control, gain in gains.items():
                    before = self.gains[place].get(control, 0.0)
                    self.gains[place][control] = before + gain * weight
        self.controls.update(control for gains, places in new if places for control in gains)


def _find_shapes(
    avatar: Glb, names: Mapping[Place, str], *, has_jaw: bool
) -> Mapping[Place, Gains]:
    """What moves the targets that the map leaves free; `has_jaw`: the map opens the jaw."""
    expressions = dict(_expressions(avatar))
    found = _Found()
    for table in (ACTIONS, ONE_LID, BOTH_SIDES, VISEME_SHAPES):
        if table is VISEME_SHAPES and (has_jaw or "jawOpen" in found.controls):
            break  # visemes are for those who have no ARKit mouth
        matches = []
        for name, places in expressions.items():
            hit = find_shape(name, table)
            if hit is not None:
                matches.append((table[hit[1]], places))
        found.add(matches)
        # Of several targets of a mesh that mean the same, the one with the plainest name.
        plainest: dict[tuple[int, str], tuple[int, int]] = {}
        for (node, target), name in names.items():
            hit = find_shape(name, table)
            if hit is not None and (node, target) not in found.gains:
                in_front, key = hit
                candidate = (in_front, target)
                plainest[node, key] = min(candidate, plainest.get((node, key), candidate))
        found.add(
            [(table[key], {(node, target): 1.0}) for (node, key), (_, target) in plainest.items()]
        )
    return found.gains


def _expressions(avatar: Glb) -> Iterator[tuple[str, dict[Place, float]]]:
    """Name of every VRM expression by VRM 1's names, and the targets it moves with their weights."""
    document = avatar.document
    if document.extensions.VRMC_vrm is not None:
        expressions = document.extensions.VRMC_vrm.expressions
        for name, expression in (expressions.custom | expressions.preset).items():
            yield (
                name,
                _there(
                    avatar,
                    {(bind.node, bind.index): bind.weight for bind in expression.morphTargetBinds},
                ),
            )
    elif document.extensions.VRM is not None:
        for group in document.extensions.VRM.blendShapeMaster.blendShapeGroups:
            preset = group.presetName.lower()
            name = group.name if preset == "unknown" else VRM0_PRESETS.get(preset, preset)
            yield (
                name,
                _there(
                    avatar,
                    {
                        (index, bind.index): bind.weight / 100
                        for bind in group.binds or ()
                        for index, node in enumerate(document.nodes)
                        if node.mesh == bind.mesh
                    },
                ),
            )


def _there(avatar: Glb, places: dict[Place, float]) -> dict[Place, float]:
    """Those places that the file has: converters leave binds to meshes that they took out."""

    def exists(node: int, target: int) -> bool:
        mesh = avatar.mesh_of(node)
        return mesh is not None and 0 <= target < len(mesh.primitives[0].targets)

    return {place: weight for place, weight in places.items() if exists(*place)}


def _bones(avatar: Glb, given: AvatarMap) -> dict[str, int]:
    """Node of each bone: by the map, by the extension, by name."""
    nodes = avatar.document.nodes
    joints = {joint for skin in avatar.document.skins for joint in skin.joints}
    best: dict[str, tuple[bool, int, int]] = {}
    for index, node in enumerate(nodes):
        hit = find_bone(node.name or "") if node.mesh is None else None
        if hit is not None:
            beside, bone = hit
            candidate = (index not in joints, beside, index)
            best[bone] = min(candidate, best.get(bone, candidate))
    bones = {bone: candidate[-1] for bone, candidate in best.items()}
    bones |= {bone: node for bone, node in _humanoid(avatar) if 0 <= node < len(nodes)}
    for bone in given.bones.model_fields_set:
        name = getattr(given.bones, bone)
        places = [index for index, node in enumerate(nodes) if node.name == name]
        if name is None:
            bones.pop(bone, None)
        elif places:
            bones[bone] = places[0]
        else:
            raise InputError(
                f"avatar '{avatar.path}' has no bone '{name}', which the map names; "
                f"it has {listed(nodes[joint].name or '' for joint in sorted(joints) if joint < len(nodes))}"
            )
    return bones


def _humanoid(avatar: Glb) -> Iterator[tuple[str, int]]:
    """The bones that the VRM extension names."""
    extensions = avatar.document.extensions
    named: list[tuple[str, int]] = []
    if extensions.VRMC_vrm is not None:
        named = [
            (name, bone.node) for name, bone in extensions.VRMC_vrm.humanoid.humanBones.items()
        ]
    elif extensions.VRM is not None:
        named = [(bone.bone, bone.node) for bone in extensions.VRM.humanoid.humanBones]
    for name, node in named:
        if name in HUMANOID:
            yield HUMANOID[name], node
