"""What the commands do: parse, call, print, exit code. `cli.py` puts them together."""
