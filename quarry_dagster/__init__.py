"""What Dagster's own processes load: an instance that tells the verdicts of a large grid quickly.

The web server and the daemon load no definitions, so what makes them faster can't live there. The
file `dagster.yaml` names `QuarryInstance`, which differs from Dagster's in one answer of the SQLite
event log; decision 35 says why. Nothing of quarry is imported here.
"""
