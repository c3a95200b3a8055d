"""Network parts that know no domain words: attention, convolution, Conformer blocks, MoLoRA."""
