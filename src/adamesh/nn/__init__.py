"""Parts of networks, for any domain: attention, convolution, Conformer and transformer blocks, MoLoRA."""
