"""The clip itself."""

from adamesh.export.job import Job


def write(job: Job) -> None:
    job.clip.save(job.path)
