"""What this project costs, measured; ``make bench`` runs all of it."""
