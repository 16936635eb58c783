"""The registrar's own key, before it is used: what an ended one states, nobody takes."""

from __future__ import annotations

from broker.announcements import signing_fault
from keys.directory import Directory
from keys.soft_keys import PrivateIdentity
from keys.unlock import Secret
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from runtime.process.directory_file import local_directory
from runtime.process.homes import CentreHome


def check_registrar(registrar: PrivateIdentity, directory: Directory, *, moment: Millis) -> None:
    """Refuse to state with a key that the directory does not know, or that is not valid at this moment."""
    fault = signing_fault(directory, registrar.public.kid, moment)
    if fault is not None:
        raise Rejected(
            Code.E_ISSUER,
            f"nobody would take what this registrar's key states now ({fault.value})",
            hint="compare this machine's clock; renew an ended key: 'contrada centre renew registrar'",
        )


def check_registrar_at_home(
    registrar: PrivateIdentity, home: CentreHome, *, secret: Secret, moment: Millis
) -> None:
    """The same by the directory as this home has read it last; a home that has read none is not held up."""
    if home.replica.exists():
        check_registrar(registrar, local_directory(home, secret=secret), moment=moment)
