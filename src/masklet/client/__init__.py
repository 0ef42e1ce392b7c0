"""The local API's feel with the work done by a server: `masklet.connect(url)`."""
