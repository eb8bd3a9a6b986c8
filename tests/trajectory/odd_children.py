"""A child that misbehaves as its first argument says, after echoing its request."""

import json
import os
import signal
import subprocess
import sys
import time

if __name__ == "__main__":
    sys.stdout.write(json.dumps({"echo": json.load(sys.stdin)["value"]}) + "\n")
    sys.stdout.flush()
    conduct = sys.argv[1]
    if conduct == "hang with children":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if conduct.startswith("hang"):
        time.sleep(600)
    if conduct == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if conduct == "raise":
        raise RuntimeError(conduct)
