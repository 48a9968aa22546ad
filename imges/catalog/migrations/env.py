"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `imges.catalog.schema` gives."""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
