"""What a lesion does to a vertebra: where it lies, how far it reaches, what it breaks."""
