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
    OPENINGS,
    VISEME_SHAPES,
    VISEMES,
    Gains,
    find_bone,
    find_shape,
    spelled_vowels,
)
from adamesh.avatars.visemes import viseme_blendshapes
from adamesh.errors import InputError, listed
from adamesh.motion.spaces import ARKIT52

LOOKS = (
    "lookUp",
    "lookDown",
    "lookLeft",
    "lookRight",
    "lookup",
    "lookdown",
    "lookleft",
    "lookright",
)
MOST_BOUND = 0.5  # of what a shape moves; beyond it the shape moves what the bone does
# What opens a mouth.
MOUTHS = {"jawOpen", *(v for v in VISEMES if viseme_blendshapes(v).get("jawOpen", 0) >= 0.3)}


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
    def opens_mouth(self) -> bool:
        """Whether anything does."""
        return "jaw" in self.bones or bool(self.controls & MOUTHS)

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
    shapes = _find_shapes(avatar, free, has_jaw=has_jaw)
    bones = _bones(avatar, given)
    shapes, bones = _one_channel(avatar, shapes, bones, own, given)
    found = {**shapes, **own}
    return Match(
        avatar=avatar,
        gains={place: found[place] for place in names if found.get(place)},
        bones=bones,
    )


def _one_channel(
    avatar: Avatar,
    shapes: Mapping[Place, Gains],
    bones: Mapping[str, int],
    own: Mapping[Place, Gains],
    given: AvatarMap,
) -> tuple[Mapping[Place, Gains], dict[str, int]]:
    """What was found by name, without what would show a motion that something else shows.

    Eyes: the file says whether bones or expressions turn them; else shapes whose vertices are bound to an
    eye bone would turn the eye again. Lids, which are not, go on moving. Jaw: a bone turns where no shape
    opens the mouth, or where the map names it.
    """
    bones = dict(bones)
    eyes = {bones[bone] for bone in ("left_eye", "right_eye") if bone in bones}
    stated = {place for name, places in avatar.expressions if name in LOOKS for place in places}
    looks = {
        place for place, gains in shapes.items() if all(c.startswith("eyeLook") for c in gains)
    }
    turned_by_shapes = avatar.look_at == "expression" and looks & stated
    if turned_by_shapes:
        for bone in ("left_eye", "right_eye"):
            if bone not in given.bones.model_fields_set:
                bones.pop(bone, None)
    elif eyes:
        again = {
            place
            for place in looks
            if (avatar.look_at == "bone" and place in stated)
            or avatar.moved_share(place, eyes) > MOST_BOUND
        }
        shapes = {place: gains for place, gains in shapes.items() if place not in again}
    if "jaw" in bones:
        if given.bones.jaw is not None:
            shapes = {place: gains for place, gains in shapes.items() if not gains.keys() & MOUTHS}
        elif any(gains.keys() & MOUTHS for gains in (*shapes.values(), *own.values())):
            bones.pop("jaw")
    return shapes, bones


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
    stated = dict(avatar.expressions)
    vowels = spelled_vowels(stated)
    expressions = {vowels.get(name, name): places for name, places in stated.items()}
    vowels = spelled_vowels(names.values())
    names = {place: vowels.get(name, name) for place, name in names.items()}
    found = _Found()
    for table in (BLENDSHAPES, ONE_LID, BOTH_SIDES, VISEME_SHAPES, OPENINGS):
        if table in (VISEME_SHAPES, OPENINGS) and (has_jaw or found.controls & MOUTHS):
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
