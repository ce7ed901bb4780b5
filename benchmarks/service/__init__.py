"""The benchmark service: asv measures every commit of a branch, unattended; this package adds what asv lacks.

`__main__` serves the pages and keeps `runner` alive; `runner` chooses one job at a time: measure a commit, publish the site, confirm a
regression, learn the noise. README.md beside this file says how it is set up and what lies where.
"""
