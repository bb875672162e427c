"""Kill switches of accounts, and of the firm under the empty name."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        create table kill_switch (
            account_id text primary key,
            state smallint not null,
            cancels boolean not null,
            text text not null,
            changed_at timestamptz not null,
            version integer not null
        )
        """
    )
