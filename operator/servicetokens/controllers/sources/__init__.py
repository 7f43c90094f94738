"""Where changes come from: kopf's watches and lists of our own, both of which only call `event_handlers`."""
