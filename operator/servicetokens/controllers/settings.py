"""Settings of `servicetokens operator`."""

from typing import Annotated

from servicetokens.runtime.flags import Flag
from servicetokens.runtime.settings import CommonSettings, HostName, Staleness


class OperatorSettings(CommonSettings):
    """Settings of `servicetokens operator`. Every field is the flag of that name."""

    leader_election: Annotated[
        bool,
        Flag("", "Elect a leader among several operators. Only the leader writes; the others are standbys."),
    ] = True
    lease_duration: Annotated[
        Staleness, Flag("DURATION", "Time after which another operator takes over when the leader crashes.")
    ] = 15
    watch_secrets: Annotated[
        bool,
        Flag(
            "", "Watch the Secrets of tokens and repair them immediately; needs permission to list Secrets."
        ),
    ] = True
    issue_certificate: Annotated[
        bool,
        Flag(
            "", "Issue and renew the validators' TLS certificate in the Secret servicetokens-validator-tls."
        ),
    ] = True
    certificate_name: Annotated[
        tuple[HostName, ...],
        Flag("NAME", "Additional DNS name or IP address of the certificate; repeatable."),
    ] = ()
