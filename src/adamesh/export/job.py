"""What a writer is given."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamesh.export.options import OutputOptions
from adamesh.motion import MotionClip
from adamesh.progress import Progress
from adamesh.values import Value

if TYPE_CHECKING:
    from adamesh.faces import Face

Sound = tuple[NDArray[np.float32], int]  # mono samples [N], -1..1, and their rate in Hz


@dataclass(frozen=True, eq=False, repr=False)
class Job(Value):
    """One output. Files beside it, for sound and texture, are not the writer's business.

    Attributes:
        clip: at the frame rate of the output, for `face`.
        path: the output; of a folder of files, their name and suffix.
        audio: the speech.
        betas: [K] identity to show; None: the average face.
        texture: [S, S, 3] sRGB in the UV map of the embedded head.
        options: everything else.
        progress: told of frames done.
    """

    clip: MotionClip
    path: Path
    audio: Sound | None
    betas: ArrayLike | None
    texture: NDArray[np.uint8] | None
    options: OutputOptions
    progress: Progress
    given_face: "Face | None"

    @cached_property
    def face(self) -> "Face":
        """The face to show, loaded when a writer asks for it: curves need none."""
        from adamesh.faces.library import load_named_face

        face = self.given_face or load_named_face(shown_face(self.clip, self.options))
        if self.texture is None:
            return face
        from adamesh.faces.appearance import PICTURED
        from adamesh.texture import with_eyes_of

        return with_eyes_of(face.without(*PICTURED), self.texture)


def shown_face(clip: MotionClip, options: OutputOptions) -> str:
    """Name of the face that a clip is shown on."""
    from adamesh.faces.library import EMBEDDED

    if options.face is not None:
        return options.face
    # The blendshapes of ARKit mean the same on every face.
    return EMBEDDED if clip.space == "arkit52" else str(clip.metadata.get("face", EMBEDDED))
