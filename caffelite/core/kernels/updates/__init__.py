"""Update rules over the arena, one file a rule."""
