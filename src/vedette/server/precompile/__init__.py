"""What is compiled before anybody needs it, by a process that takes only time that nobody else wants.

Compiling all functions over arrays takes most of a minute of one core, and whoever asks the first question of a new
installation would wait for some of it. The compiler keeps its work on disk: a process of its own does it once.
"""
