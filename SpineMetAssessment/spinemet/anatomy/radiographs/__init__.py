"""The same measures on radiographs, from landmarks."""
