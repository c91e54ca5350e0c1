"""Shows what xfer does with a plugin that cannot be imported: it names it and works on without it."""

raise RuntimeError("this plugin is broken on purpose")
