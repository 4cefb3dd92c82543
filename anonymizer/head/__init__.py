"""The synthetic head: who is drawn, where, and the picture of it that guides the painter."""
