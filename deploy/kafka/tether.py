"""The tether: a process between a launcher and a broker, so that the broker never outlives the launcher.

Owns: one child process. Run as `python -I -S tether.py COMMAND...`; prints the child's process id on
stdout.
Rule: when standard input ends, which happens however the launcher dies, the child is stopped: asked first,
killed after ten seconds. As the child's parent this process can never signal another process that got the
same id.
"""

import os
import signal
import subprocess
import sys
import threading

PATIENCE_S = 10


def stop_at_eof(child: "subprocess.Popen[bytes]") -> None:
    """Wait for the other end of the pipe to go away, then end the child."""
    while os.read(0, 1024):
        pass
    child.terminate()
    child.send_signal(signal.SIGCONT)  # a paused child hears SIGTERM only when it goes on
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def main() -> None:
    """Start the child, tell its id, and end with its exit code."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2)
    os.write(1, b"%d\n" % child.pid)
    threading.Thread(target=stop_at_eof, args=(child,), daemon=True).start()
    os._exit(child.wait() & 0xFF)


if __name__ == "__main__":
    main()
