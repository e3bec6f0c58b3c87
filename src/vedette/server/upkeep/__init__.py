"""What the worker does once a minute to keep what is stored within its bounds."""
