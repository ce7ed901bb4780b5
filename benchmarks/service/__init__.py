"""The benchmark service: asv measures every commit of a branch, unattended; this package adds what asv lacks.

`__main__` serves the pages in a thread and lets `runner` work: one job at a time, which is to measure a commit, publish the site, confirm
a regression or learn the noise. README.md beside this file says how it is set up and what lies where.
"""
