"""Attune beside other libraries on the same arrays, cores and clock: ./dev bench peers, described in bench/README.md."""
