"""Mutated files: seeds.py makes sound ones, mutate*.py damage them, worker.py loads them in processes that pool.py watches."""
