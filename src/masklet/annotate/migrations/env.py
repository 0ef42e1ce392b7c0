"""Alembic's entry: run the migrations on the connection that `database` hands over."""

from alembic import context

from masklet.annotate.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
