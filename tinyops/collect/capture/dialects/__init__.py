"""How devices say what they measure, one file a dialect; `recognise` tells them apart by looking."""
