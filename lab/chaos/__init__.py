"""`make chaos`: kill parts of a real Airflow at the worst moments, and count what a simulated AEP delivered."""
