"""What a command writes to a terminal, whole."""
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading

# No command writes it. It follows all that a command wrote.
END = b"\x00the end\x00"


def on_terminal(args, stdout=None, environment=None, columns=80):
    """Runs a command whose standard error, and output if `stdout` is None, is a terminal of so many columns. Returns the finished
    process, with what the terminal got as `shown`.

    When the last program that has a terminal open ends, the kernel may drop what nobody has read yet. So this process keeps the
    terminal open, and reads up to a mark that it writes itself after the command's end.
    """
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown = bytearray()

    def read():
        while not shown.endswith(END):
            shown.extend(os.read(main, 65536))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=stdout or terminal, stderr=terminal, env=environment, timeout=60)
        os.write(terminal, END)
        reader.join(60)
        assert not reader.is_alive(), (args, shown)
    finally:
        os.close(terminal)
        os.close(main)
    done.shown = shown.removesuffix(END).decode().replace("\r\n", "\n")
    return done
