"""The comparison with other engines: the same networks with the same weights, run alternately in one run (``make peers``).

``__main__`` goes through the rows of the table; each row is a process of its own (``row``), so that an engine that dies takes nothing
with it. ``engine`` says what an engine is, ``*_engine`` are the engines, ``*_model`` write a traced network in their terms, ``report`` and
``chart`` write the results, ``conv_table`` lists every convolution. A new engine is a file ``<key>_engine.py`` with an ``ENGINE``, a line
in ``engine.TITLES`` and one in ``requirements.txt``.
"""
