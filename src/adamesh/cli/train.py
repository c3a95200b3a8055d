"""`adamesh train`: one command a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from adamesh.cli.options import Data, Tracks, progress_bars
from adamesh.errors import need

train_app = typer.Typer(help="Training recipes.", no_args_is_help=True)

Config = Annotated[Path, typer.Option(help="YAML file of the recipe; see configs/.")]
RunOutput = Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")]


def _check_training_packages() -> None:
    need("tensorboard", package="tensorboard", purpose="training", extra="train")


@train_app.command("opening")
def train_opening(config: Config, data: Data, tracks: Tracks, output: RunOutput) -> None:
    """Train the network that hears how far a mouth is open, which finds late sound; run again to resume.

    [bold]Example[/bold]

      adamesh train opening --config configs/opening.yaml --data corpus --tracks corpus-tracks
      -o runs/opening
    """
    _check_training_packages()
    from adamesh.training.config import load_training_config
    from adamesh.training.opening import OpeningTraining
    from adamesh.training.opening import train_opening as train

    settings = load_training_config(OpeningTraining, config)
    with progress_bars() as report:
        typer.echo(str(train(settings, data, tracks, output, progress=report)))


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
    from adamesh.models.expression import ExpressionAdapter
    from adamesh.training.config import load_training_config
    from adamesh.training.expression import ExpressionTraining
    from adamesh.training.expression import train_expression as train

    settings = load_training_config(ExpressionTraining, config)
    teachers = [load_network(ExpressionAdapter, path) for path in teacher or []]
    with progress_bars() as report:
        weights = train(
            settings,
            data,
            tracks,
            output,
            leave_out=leave_out,
            teachers=teachers,
            progress=report,
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
    from adamesh.training.config import load_training_config
    from adamesh.training.pose_vqvae import PoseVQVAETraining
    from adamesh.training.pose_vqvae import train_pose_vqvae as train

    settings = load_training_config(PoseVQVAETraining, config)
    with progress_bars() as report:
        typer.echo(str(train(settings, data, tracks, output, progress=report)))


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
    from adamesh.models.pose_vqvae import PoseVQVAE
    from adamesh.training.config import load_training_config
    from adamesh.training.pose_gpt import PoseGPTTraining
    from adamesh.training.pose_gpt import train_pose_gpt as train

    settings = load_training_config(PoseGPTTraining, config)
    codes = load_network(PoseVQVAE, vqvae)
    with progress_bars() as report:
        typer.echo(str(train(settings, codes, data, tracks, output, progress=report)))
