"""Pictures of typical answers, drawn from what the wire fakes hold after a dialog."""
