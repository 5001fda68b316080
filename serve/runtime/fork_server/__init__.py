"""Fork Ray's workers from a process that has imported what they need, so that each of them starts at once."""
