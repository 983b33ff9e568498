"""Builds under fire: real workers, killed at any moment, and a trainer that counts.

``python -m tests.builds --builds 60 --seed 7``, or ``make builds N=500``. Half of the
categories are built by the embedded engine, half by a remote trainer that fails one
answer in six, forgets its operations, and refuses its key now and then. Workers are
processes of their own and die by SIGKILL all the time. At the end: every build has
finished, and the trainer started none twice.
"""
