"""Which morph targets and bones of an avatar show what."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from adamesh.avatars.avatar import Avatar, Place
from adamesh.avatars.mapfile import AvatarMap
from adamesh.avatars.names import (
    BLENDSHAPES,
    BONES,
    BOTH_SIDES,
    ONE_LID,
    VISEME_SHAPES,
    VISEMES,
    Gains,
    find_bone,
    find_shape,
)
from adamesh.avatars.visemes import viseme_blendshapes
from adamesh.errors import InputError, listed
from adamesh.motion.spaces import ARKIT52


@dataclass(frozen=True)
class Match:
    """What of an avatar will move.

    Attributes:
        avatar: the file.
        gains: what moves a target; those that are not there stay as they are.
        bones: number of each of `names.BONES` that was found.
    """

    avatar: Avatar
    gains: Mapping[Place, Gains]
    bones: Mapping[str, int]

    @property
    def controls(self) -> set[str]:
        """All that move something."""
        return {control for gains in self.gains.values() for control in gains}

    @property
    def unmatched(self) -> list[str]:
        """Names of the morph targets that nothing moves."""
        names = self.avatar.targets
        return sorted(set(names.values()) - {names[place] for place in self.gains})

    def facts(self) -> dict[str, object]:
        """The mapping in plain values, for people and for JSON."""
        morphs: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        for place, gains in self.gains.items():
            mesh = self.avatar.mesh_name(place[0])
            morphs[mesh][self.avatar.targets[place]] = dict(gains)
        shown = self.controls.union(
            *(viseme_blendshapes(viseme) for viseme in self.controls.intersection(VISEMES))
        )
        return {
            "morphs": morphs,
            "unmatched": self.unmatched,
            "not_shown": [name for name in ARKIT52 if name not in shown],
            "bones": {
                bone: self.avatar.bones[self.bones[bone]].name if bone in self.bones else None
                for bone in BONES
            },
            "front": self.avatar.front,
        }


def match(avatar: Avatar, given: AvatarMap) -> Match:
    """Finds morph targets and bones by the map file, by an extension and by their names.

    Raises:
        InputError: the map names a target or a bone that the avatar lacks.
    """
    names = avatar.targets
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
    return Match(
        avatar=avatar,
        gains={place: found[place] for place in names if found.get(place)},
        bones=_bones(avatar, given),
    )


@dataclass
class _Found:
    """Targets by what moves them; what one table or source has moved is not moved by a later one."""

    gains: dict[Place, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    controls: set[str] = field(default_factory=set)

    def add(self, matches: list[tuple[Gains, Mapping[Place, float]]]) -> None:
        new = [pair for pair in matches if not self.controls.intersection(pair[0])]
        for gains, places in new:
            for place, weight in places.items():
                for control, gain in gains.items():
                    before = self.gains[place].get(control, 0.0)
                    self.gains[place][control] = before + gain * weight
        self.controls.update(control for gains, places in new if places for control in gains)


def _find_shapes(
    avatar: Avatar, names: Mapping[Place, str], *, has_jaw: bool
) -> Mapping[Place, Gains]:
    """What moves the targets that the map leaves free; `has_jaw`: the map opens the jaw."""
    expressions = dict(avatar.expressions)
    found = _Found()
    for table in (BLENDSHAPES, ONE_LID, BOTH_SIDES, VISEME_SHAPES):
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


def _bones(avatar: Avatar, given: AvatarMap) -> dict[str, int]:
    """Number of each bone: by the map, by an extension, by name."""
    best: dict[str, tuple[bool, int, int]] = {}
    for index, part in enumerate(avatar.bones):
        hit = None if part.mesh else find_bone(part.name)
        if hit is not None:
            beside, bone = hit
            candidate = (not part.joint, beside, index)
            best[bone] = min(candidate, best.get(bone, candidate))
    bones = {bone: candidate[-1] for bone, candidate in best.items()}
    bones |= avatar.humanoid
    for bone in given.bones.model_fields_set:
        name = getattr(given.bones, bone)
        places = [index for index, part in enumerate(avatar.bones) if part.name == name]
        if name is None:
            bones.pop(bone, None)
        elif places:
            bones[bone] = places[0]
        else:
            raise InputError(
                f"avatar '{avatar.path}' has no bone '{name}', which the map names; "
                f"it has {listed(part.name for part in avatar.bones if part.joint)}"
            )
    return bones
