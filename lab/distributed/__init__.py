"""`make distributed`: docker-compose.yaml as processes of this machine, and what happens when they die."""
