"""What can go wrong while starting the mesh, each told in one clear line."""


class DeployError(Exception):
    """The mesh cannot be started; the message is meant for the person at the terminal."""


class NotReadyError(Exception):
    """A component does not serve yet; asking again later may succeed."""


class ComponentFailedError(DeployError):
    """A component ended or did not become ready in time; the message ends with the tail of its log."""


class PortInUseError(DeployError):
    """A port that the mesh needs is taken by another process."""


class AlreadyRunningError(DeployError):
    """The mesh of this checkout is running already."""


def reason_of(error: Exception) -> str:
    """Say why something failed; of what nobody expected, what it is: its own text may say nothing by itself."""
    return str(error) if isinstance(error, DeployError | OSError) else repr(error)
