"""The studio's server: videos, sessions, prompts, tracking and exports over HTTP and WebSocket.

Needs the extra `server` (FastAPI, uvicorn, SQLAlchemy). `wire` alone needs nothing: the client uses it too.
"""
