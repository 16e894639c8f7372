"""The history of one machine: what started, from which images, how it was judged, and what is wrong about it."""
