"""Reports as HTML files that stand alone: how well a net does on its data, and how a training went."""
