"""Running what may hang or crash in a child process with a deadline.

guarded     `run_guarded`: the one way in
server      forks a worker for each request; one per calling process, warm
client      the caller's handle on it
exchange    one request on the caller's side
outcome     what became of a child
"""
