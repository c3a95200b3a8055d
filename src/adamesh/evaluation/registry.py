"""What can be measured on the validation people of a corpus: a new one is a module, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adamesh.data.corpus import Video, of_split, read_corpus
from adamesh.evaluation.adaptation import evaluate_adaptation
from adamesh.evaluation.offsets import evaluate_offsets
from adamesh.evaluation.pose import evaluate_pose
from adamesh.evaluation.sync import SHORTEST_PERSON, Person, evaluate_sync, load_people
from adamesh.evaluation.upper_face import evaluate_upper_face
from adamesh.models.expression import ExpressionAdapter
from adamesh.progress import Progress, no_progress


@dataclass(frozen=True)
class Given:
    """What an evaluation may look at."""

    model: ExpressionAdapter
    people: list[Person]  # of the validation split
    train: list[Video]  # of which baselines learn
    tracks: Path
    progress: Progress


EVALUATIONS: dict[str, Callable[[Given], Any]] = {
    "lips": lambda g: evaluate_sync(g.model, g.people, g.train, g.tracks, progress=g.progress),
    "adaptation": lambda g: evaluate_adaptation(g.model, g.people, progress=g.progress),
    "pose": lambda g: evaluate_pose(g.people, progress=g.progress),
    "offsets": lambda g: evaluate_offsets(g.people, progress=g.progress),
    "upper-face": lambda g: evaluate_upper_face(g.model, g.people, progress=g.progress),
}


def evaluate(
    kind: str,
    data: Path,
    tracks: Path,
    model: ExpressionAdapter,
    *,
    progress: Progress = no_progress,
) -> Any:
    """Measures on a corpus what one of `EVALUATIONS` does.

    Args:
        data, tracks: the corpus and its tracks, see `data.corpus`.
        model: base expression adapter.
    Returns:
        What that evaluation returns: dataclasses of plain values.
    Raises:
        InputError: no such corpus, or no track of any person yet.
    """
    videos = read_corpus(data, tracks)
    people = load_people(of_split(videos, "valid"), tracks)
    people = [person for person in people if person.seconds >= SHORTEST_PERSON]
    given = Given(model, people, of_split(videos, "train"), tracks, progress)
    return EVALUATIONS[kind](given)
