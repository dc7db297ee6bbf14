"""Measure what is outlined: vertebra frames, heights, bodies, lesions."""
