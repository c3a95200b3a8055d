"""What an export will write, checked before any work is done."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adamesh.errors import InputError
from adamesh.export.options import OutputOptions
from adamesh.export.pictures import Pictures
from adamesh.export.registry import FORMATS, Format
from adamesh.files import check_input, check_new_folder, check_output

if TYPE_CHECKING:
    from adamesh.faces import Face


@dataclass(frozen=True)
class ExportPlan:
    """An export that can be done, in plain values.

    Attributes:
        path: what was asked for; its suffix is the format.
        files: what will be there: `path`, or the folder of a sequence, then sound and texture beside it.
        options: of the output.
    """

    path: Path
    files: tuple[Path, ...]
    options: OutputOptions

    @property
    def format(self) -> Format:
        return FORMATS[self.path.suffix.lower()]


def plan_export(
    path: str | os.PathLike[str],
    options: OutputOptions = OutputOptions(),  # noqa: B008, it is frozen
    *,
    sound: bool = False,
) -> ExportPlan:
    """Checks all that can be checked without a clip.

    Args:
        path: what to write; its suffix is the format, see `registry.FORMATS`.
        options: how.
        sound: there will be sound to go with it.
    Raises:
        InputError: unknown suffix, a file exists already, there is no such folder, face or texture, or the
            format has no such encoding, or cannot hold such pictures or a texture.
        MissingDependencyError: the format needs an extra, or Blender, that is not installed.
    """
    files = exported_files(path, sound=sound, texture=options.texture is not None)
    path = Path(path)
    suffix = path.suffix.lower()
    kind = FORMATS[suffix]
    if kind.medium is None and options.pictures != Pictures():
        drawn = ", ".join(name for name, other in FORMATS.items() if other.medium)
        raise InputError(
            f"{suffix} holds no pictures, so their size, camera and so on have no place in it; leave "
            f"them out or write one of {drawn}"
        )
    if options.encoding != "plain" and not kind.encodings:
        raise InputError(
            f"the encoding '{options.encoding}' is for .glb; leave it out for '{files[0].name}'"
        )
    if options.texture is not None:
        check_input(options.texture, "texture")
        if kind.texture == "nowhere":
            able = ", ".join(s for s, other in FORMATS.items() if other.texture != "nowhere")
            raise InputError(f"'{path.name}' cannot hold a texture; these can: {able}")
    if options.face is not None:
        from adamesh.faces.library import load_named_face

        face = load_named_face(options.face)
        if options.texture is not None:
            check_textured(face)
    kind.need()
    output, *beside = files
    checked = check_new_folder(output) if kind.folder else check_output(output, force=options.force)
    files = (checked, *(check_output(file, force=options.force) for file in beside))
    if kind.medium is not None:
        options.pictures.check(suffix, kind.medium, options.fps)
    return ExportPlan(path, files, options)


def exported_files(
    path: str | os.PathLike[str], *, sound: bool, texture: bool = False
) -> tuple[Path, ...]:
    """What `export` writes: the file or, of a sequence, the folder, and sound and texture beside it.

    Raises:
        InputError: unknown suffix.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"cannot write '{path.name}': the formats are {', '.join(FORMATS)}")
    kind = FORMATS[suffix]
    files = [path.with_suffix("") if kind.folder else path]
    if sound and kind.sound == "beside":
        files.append(path.with_suffix(".wav"))
    if texture and kind.texture == "beside":
        files.append(path.with_suffix(".png"))
    return tuple(files)


def check_textured(face: "Face") -> None:
    """Whether a face can be shown with a texture.

    Raises:
        InputError: it is not the embedded head.
    """
    if face.name != "embedded":
        raise InputError(
            f"a texture is for the embedded head, not for the face '{face.name}', which has another UV map"
        )
