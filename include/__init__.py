"""What the DAGs of this repository lean on: campaign files and the AEP simulator."""
