"""The shop's processes. Each is started as `python -m vedette.demo.shop STAGE`, with its stage as JSON."""
