"""`python -m xfer` is the command `xfer`."""

from xfer.cli import main

if __name__ == "__main__":
    main()
