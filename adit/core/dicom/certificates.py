"""What is wrong with the certificate of a peer, in words (RFC 5280 6.1)."""

from __future__ import annotations

import ssl

from .advice import ASK_ADMIN

# Verification errors of OpenSSL (X509_V_ERR_…).
_NO_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_OTHER_HOST = frozenset({62, 64})
_TOO_WEAK = frozenset({66, 67, 68})
_FAULTS = {
    9: ("is not valid yet", "Check the clocks on both sides."),
    10: ("has expired", f"{ASK_ADMIN} to renew it."),
    23: ("is revoked", f"{ASK_ADMIN} for a new one."),
    24: (
        "is signed with a certificate that is no authority's",
        f"{ASK_ADMIN} for one that an authority issues.",
    ),
    26: (
        "is not for servers, by its purpose",
        f"{ASK_ADMIN} for one with the extended key usage of a server (serverAuth).",
    ),
}


def fault_of(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    """What the certificate "is" or "has", and what helps."""
    code = getattr(error, "verify_code", None)
    if code in _FAULTS:
        return _FAULTS[code]
    if code in _OTHER_HOST:
        host = error.verify_message.rpartition("'")[0].rpartition("'")[2]
        return (
            f"is for another host than {host or 'the one that we call'}",
            "Check the host name, or switch the check of the host name off.",
        )
    if code in _TOO_WEAK:
        return "has a key or a signature that is too weak", f"{ASK_ADMIN} for a new one."
    if code is None or code in _NO_AUTHORITY:
        return (
            "is not signed by an authority that we trust",
            "Check the certificate authority that is set for this server.",
        )
    return f"is not accepted (error {code} of OpenSSL)", f"{ASK_ADMIN} to check it."
