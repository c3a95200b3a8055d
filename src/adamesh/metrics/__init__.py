"""How good motion is, in units, from vertices and curves alone; no model is known here."""
