"""Outline vertebrae, tumor, canal and cord from clicks, by an engine, or by hand."""
