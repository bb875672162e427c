"""Values that every room shares: decimals, money, instruments, identifiers, the clock and the coded error.

Imports the standard library only.
"""
