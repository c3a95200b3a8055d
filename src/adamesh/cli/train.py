"""`adamesh train`: one command a recipe."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adamesh.cli.options import Data, Tracks, progress_bars
from adamesh.errors import MissingDependencyError

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


@train_app.command("speech")
def train_speech(
    config: Config,
    speech: Annotated[
        Path, typer.Option(help="Folder of the prepared speech, from `adamesh prepare --speech`.")
    ],
    data: Annotated[Path, typer.Option(help="Corpus: a folder with a speech.csv.")],
    output: RunOutput,
) -> None:
    """Train the compact speech encoder; run again to resume.

    [bold]Example[/bold]

      adamesh train speech --config configs/speech.yaml --data corpus --speech corpus-speech
      -o runs/speech
    """
    _check_training_packages()
    from adamesh.data.speech_corpus import read_all_speech
    from adamesh.data.speech_sequences import load_spoken
    from adamesh.training.config import load_training_config
    from adamesh.training.speech import SpeechTraining
    from adamesh.training.speech import train_speech as run

    settings = load_training_config(SpeechTraining, config)
    utterances = read_all_speech(data)
    valid: dict[str, list[Any]] = {}
    with progress_bars() as report:
        spoken = [u for u in utterances if u.split == "valid" and u.text]
        for utterance, versions in zip(spoken, load_spoken(spoken, speech), strict=True):
            valid.setdefault(utterance.corpus, []).append(versions[0])
        weights = run(
            settings,
            load_spoken([u for u in utterances if u.split == "train" and u.text], speech),
            valid,
            output,
            progress=lambda step, steps, loss: report("training", step, steps, f"loss {loss:.3f}"),
        )
    typer.echo(str(weights))


@train_app.command("expression")
def train_expression(config: Config, data: Data, tracks: Tracks, output: RunOutput) -> None:
    """Train the expression adapter; run again to resume.

    [bold]Example[/bold]

      adamesh train expression --config configs/expression.yaml --data corpus --tracks corpus-tracks
      -o runs/expression
    """
    _check_training_packages()
    from adamesh.data.corpus import check_names, read_corpus
    from adamesh.data.sequences import Sequence, load_sequences
    from adamesh.features import load_features
    from adamesh.library.store import load_named_face
    from adamesh.training.config import load_training_config
    from adamesh.training.expression import ExpressionTraining
    from adamesh.training.expression import train_expression as run

    settings = load_training_config(ExpressionTraining, config)
    features = load_features(settings.model.features)
    face = load_named_face(settings.model.face)
    videos = read_corpus(data, tracks)
    check_names(videos, settings.sound_delays)
    with progress_bars() as report:

        def load(split: str) -> list[Sequence]:
            def loaded(done: int, total: int) -> None:
                report(f"load {split}", done, total)

            return load_sequences(
                [v for v in videos if v.split == split],
                features,
                sound_delays=settings.sound_delays,
                other_voices=settings.other_voices if split == "train" else 0,
                face=face,
                progress=loaded,
            )

        weights = run(
            settings,
            load("train"),
            load("valid"),
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
    from adamesh.data.corpus import check_names, read_corpus
    from adamesh.data.poses import PoseSequence, load_poses
    from adamesh.features import load_features
    from adamesh.models.pose_vqvae import PoseVQVAE
    from adamesh.training.config import load_training_config
    from adamesh.training.pose_gpt import PoseGPTTraining
    from adamesh.training.pose_gpt import train_pose_gpt as run

    settings = load_training_config(PoseGPTTraining, config)
    videos = read_corpus(data, tracks)
    check_names(videos, settings.sound_delays)
    with progress_bars() as report:

        def load(split: str) -> list[PoseSequence]:
            return load_poses(
                [v for v in videos if v.split == split],
                load_features(settings.model.features),
                sound_delays=settings.sound_delays,
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
