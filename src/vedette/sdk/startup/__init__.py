"""Instrument a program without changing it: `vedette run -- python app.py`.

The program is started with a folder on its path whose `sitecustomize` configures the SDK before the program's first
line, in it and in every Python process that it starts.
"""
