"""Making the data with the teacher, and reading it back as features."""
