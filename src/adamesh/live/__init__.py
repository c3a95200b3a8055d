"""Motion to other programs while it is made: Live Link Face over UDP."""
