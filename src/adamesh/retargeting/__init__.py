"""Motion from one face to another by geometry: which surface point is which, and what moves it alike."""
