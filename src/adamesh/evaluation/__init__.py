"""Measuring: people who were not trained on, rendered clips and meshes whose truth is known, and speed."""
