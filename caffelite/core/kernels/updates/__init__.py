"""Update rules over the arena: the loop that all share, and one file a rule."""
