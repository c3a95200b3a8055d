"""`adamesh train`: one command a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adamesh.cli.options import Data, Tracks, progress_bars
from adamesh.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from adamesh.features import SpeechFeatures

train_app = typer.Typer(help="Training recipes.", no_args_is_help=True)

Config = Annotated[Path, typer.Option(help="YAML file of the recipe; see configs/.")]
RunOutput = Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")]


def _check_training_packages() -> None:
    try:
        import pydantic  # noqa: F401
        import tensorboard  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(str(error.name), "training", "train") from error


@train_app.command("opening")
def train_opening(config: Config, data: Data, tracks: Tracks, output: RunOutput) -> None:
    """Train the network that hears how far a mouth is open, which finds late sound; run again to resume.

    [bold]Example[/bold]

      adamesh train opening --config configs/opening.yaml --data corpus --tracks corpus-tracks
      -o runs/opening
    """
    _check_training_packages()
    from adamesh.data.corpus import read_corpus
    from adamesh.data.sequences import Sequence, load_sequences
    from adamesh.faces.embedded import load_embedded_face
    from adamesh.training.config import load_training_config
    from adamesh.training.opening import OpeningTraining
    from adamesh.training.opening import train_opening as run

    settings = load_training_config(OpeningTraining, config)
    videos = read_corpus(data, tracks)
    face = load_embedded_face()
    with progress_bars() as report:

        def load(split: str) -> list[Sequence]:
            return load_sequences(
                [v for v in videos if v.split == split],
                _heard(settings.model.features),
                face,
                delays={},
                other_voices=settings.other_voices if split == "train" else 0,
                progress=lambda d, t: report(f"load {split}", d, t),
            )

        weights = run(
            settings,
            load("train"),
            load("valid"),
            face,
            output,
            progress=lambda stage, step, steps, loss: report(
                stage, step, steps, f"loss {loss:.3f}"
            ),
        )
    typer.echo(str(weights))


def _heard(features: str) -> "tuple[SpeechFeatures, ...]":
    """Whole recordings and what a stream hears of them: networks are trained on both."""
    from adamesh.features import load_features

    return load_features(features), load_features(features, streamed=True)


@train_app.command("expression")
def train_expression(
    config: Config,
    data: Data,
    tracks: Tracks,
    output: RunOutput,
    leave_out: Annotated[
        str | None,
        typer.Option(metavar="SPEAKER", help="Of the training people; judged on instead."),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Adapter that teaches on the corpus's speech.csv; may be given again."),
    ] = None,
) -> None:
    """Train the expression adapter; run again to resume.

    [bold]Examples[/bold]

      adamesh train expression --config configs/expression.yaml --data corpus --tracks corpus-tracks
      -o runs/expression

      adamesh train expression --config configs/expression.yaml --data corpus --tracks corpus-tracks
      --leave-out obama -o runs/without-obama

      adamesh train expression --config configs/expression.yaml --data corpus --tracks corpus-tracks
      --teacher runs/one/expression.safetensors --teacher runs/two/expression.safetensors -o runs/pupil
    """
    _check_training_packages()
    from adamesh.checkpoints.networks import load_network
    from adamesh.data.corpus import Video, read_corpus
    from adamesh.data.sequences import Sequence, load_sequences, silences
    from adamesh.data.sound_offsets import delays
    from adamesh.data.speech import read_speech, spread
    from adamesh.faces.library import load_named_face
    from adamesh.models.expression import ExpressionAdapter
    from adamesh.training.config import load_training_config
    from adamesh.training.expression import ExpressionTraining
    from adamesh.training.expression import train_expression as run
    from adamesh.training.teaching import taught_sequences

    settings = load_training_config(ExpressionTraining, config)
    features = _heard(settings.model.features)
    face = load_named_face(settings.model.face)
    train = [v for v in read_corpus(data, tracks) if v.split == "train"]
    valid = [v for v in read_corpus(data, tracks) if v.split == "valid"]
    if leave_out is not None:
        valid = [v for v in train if v.speaker == leave_out]
        train = [v for v in train if v.speaker != leave_out]
        if not valid:
            raise InputError(f"--leave-out '{leave_out}' is no training speaker of '{data}'")
    late = delays(tracks)
    teachers = [load_network(ExpressionAdapter, path) for path in teacher or []]
    speech = [r for r in read_speech(data) if r.split == "train"] if teachers else []
    speech = spread(speech, settings.recordings, seed=settings.seed)
    with progress_bars() as report:

        def load(videos: list[Video], name: str, other_voices: int) -> list[Sequence]:
            return load_sequences(
                videos,
                features,
                face,
                delays=late,
                other_voices=other_voices,
                progress=lambda d, t: report(f"load {name}", d, t),
            )

        weights = run(
            settings,
            [
                *load(train, "train", settings.other_voices),
                *silences(features, face, seed=settings.seed),
                *taught_sequences(
                    speech,
                    teachers,
                    features,
                    face,
                    progress=lambda d, t: report("load speech", d, t),
                ),
            ],
            load(valid, "valid", 0),
            face,
            output,
            progress=lambda step, steps, loss: report("training", step, steps, f"loss {loss:.3f}"),
        )
    typer.echo(str(weights))


@train_app.command("pose-vqvae")
def train_pose_vqvae(config: Config, data: Data, tracks: Tracks, output: RunOutput) -> None:
    """Train the discrete prior of head motion; run again to resume.

    [bold]Example[/bold]

      adamesh train pose-vqvae --config configs/pose-vqvae.yaml --data corpus --tracks corpus-tracks
      -o runs/pose
    """
    _check_training_packages()
    from adamesh.data.corpus import read_corpus
    from adamesh.data.poses import PoseSequence, load_poses
    from adamesh.training.config import load_training_config
    from adamesh.training.pose_vqvae import PoseVQVAETraining
    from adamesh.training.pose_vqvae import train_pose_vqvae as run

    settings = load_training_config(PoseVQVAETraining, config)
    videos = read_corpus(data, tracks)
    with progress_bars() as report:

        def load(split: str) -> list[PoseSequence]:
            chosen = [v for v in videos if v.split == split]
            return load_poses(chosen, progress=lambda d, t: report(f"load {split}", d, t))

        weights = run(
            settings,
            load("train"),
            load("valid"),
            output,
            progress=lambda step, steps, loss: report("training", step, steps, f"loss {loss:.3f}"),
        )
    typer.echo(str(weights))


@train_app.command("pose-gpt")
def train_pose_gpt(
    config: Config,
    vqvae: Annotated[Path, typer.Option(help="Checkpoint from `adamesh train pose-vqvae`.")],
    data: Data,
    tracks: Tracks,
    output: RunOutput,
) -> None:
    """Train PoseGPT on the codes of a VQ-VAE; run again to resume.

    [bold]Example[/bold]

      adamesh train pose-gpt --config configs/pose-gpt.yaml --vqvae runs/pose/pose-vqvae.safetensors
      --data corpus --tracks corpus-tracks -o runs/pose-gpt
    """
    _check_training_packages()
    from adamesh.checkpoints.networks import load_network
    from adamesh.data.corpus import read_corpus
    from adamesh.data.poses import PoseSequence, load_poses
    from adamesh.data.sound_offsets import delays
    from adamesh.features import load_features
    from adamesh.models.pose_vqvae import PoseVQVAE
    from adamesh.training.config import load_training_config
    from adamesh.training.pose_gpt import PoseGPTTraining
    from adamesh.training.pose_gpt import train_pose_gpt as run

    settings = load_training_config(PoseGPTTraining, config)
    videos = read_corpus(data, tracks)
    late = delays(tracks)
    with progress_bars() as report:

        def load(split: str) -> list[PoseSequence]:
            return load_poses(
                [v for v in videos if v.split == split],
                load_features(settings.model.features),
                delays=late,
                other_voices=settings.other_voices if split == "train" else 0,
                progress=lambda d, t: report(f"load {split}", d, t),
            )

        weights = run(
            settings,
            load_network(PoseVQVAE, vqvae),
            load("train"),
            load("valid"),
            output,
            progress=lambda step, steps, loss: report("training", step, steps, f"loss {loss:.3f}"),
        )
    typer.echo(str(weights))
