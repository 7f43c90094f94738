"""The nginx configuration that ingress-nginx writes for the annotations about authentication of an Ingress.

The directives are those of its template (rootfs/etc/nginx/template/nginx.tmpl) without Lua, TLS, and what has nothing
to do with authentication. The addresses are the well-known ones of docs/guides/proxies.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

_PREFIX: Final = "nginx.ingress.kubernetes.io/"
_VALIDATOR: Final = "http://servicetokens-validator.servicetokens.svc.cluster.local:8080"
# What the renderer knows; an annotation that is not among them would go untested.
_KNOWN: Final = frozenset({"auth-url", "auth-response-headers", "auth-method", "auth-proxy-set-headers"})


def write_configuration(home: Path) -> None:
    """Turn `ingress.yaml` in *home* into `servicetokens.conf`."""
    objects = list(yaml.safe_load_all((home / "ingress.yaml").read_text()))
    maps = {_name_of(one): one["data"] for one in objects if one["kind"] == "ConfigMap"}
    ingresses = [one for one in objects if one["kind"] == "Ingress"]
    locations = "\n".join(
        line for number, one in enumerate(ingresses) for line in _locations(number, one, maps)
    )
    (home / "servicetokens.conf").write_text(
        "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }\n"
        f"server {{\nlisten 127.0.0.1:8000;\nclient_max_body_size 10m;\n{locations}\n}}\n"
    )


def _name_of(found: Mapping[str, Any]) -> str:
    return f"{found['metadata']['namespace']}/{found['metadata']['name']}"


def _locations(
    number: int, ingress: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    annotations = {
        name.removeprefix(_PREFIX): value
        for name, value in ingress["metadata"]["annotations"].items()
        if name.startswith(_PREFIX)
    }
    unknown = set(annotations) - _KNOWN
    assert not unknown, f"the test does not know what ingress-nginx writes for {unknown}"
    asked = annotations["auth-url"]
    assert asked.startswith(_VALIDATOR), asked
    path = f"/_external-auth-{number}"
    yield f"location = {path} {{ internal;"
    yield "proxy_pass_request_body off;"
    yield 'proxy_set_header Content-Length "";'
    yield 'proxy_set_header X-Forwarded-Proto "";'
    yield "proxy_set_header X-Request-ID $request_id;"
    if "auth-method" in annotations:
        yield f"proxy_method {annotations['auth-method']};"
        yield "proxy_set_header X-Original-URI $request_uri;"
        yield "proxy_set_header X-Scheme $scheme;"
    yield "proxy_set_header Host servicetokens-validator.servicetokens.svc.cluster.local;"
    yield "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;"
    yield "proxy_set_header X-Original-Method $request_method;"
    yield 'proxy_set_header X-Sent-From "nginx-ingress-controller";'
    yield "proxy_set_header X-Real-IP $remote_addr;"
    yield "proxy_set_header X-Forwarded-For $remote_addr;"
    yield "proxy_set_header X-Auth-Request-Redirect $request_uri;"
    for name, value in maps[annotations["auth-proxy-set-headers"]].items():
        yield f"proxy_set_header '{name}' '{value}';"
    yield "proxy_http_version 1.1;"
    yield "proxy_pass_request_headers on;"
    yield f"set $target {asked.replace(_VALIDATOR, 'http://127.0.0.1:8080')};"
    yield "proxy_pass $target; }"
    for rule in ingress["spec"]["rules"]:
        for one in rule["http"]["paths"]:
            yield f"location {one['path']} {{"
            yield f"auth_request {path};"
            for count, name in enumerate(annotations["auth-response-headers"].split(",")):
                variable = f"$authHeader{count}"
                yield f"auth_request_set {variable} $upstream_http_{name.lower().replace('-', '_')};"
                yield f"proxy_set_header '{name}' {variable};"
            yield "proxy_set_header Host $http_host;"
            yield "proxy_set_header Upgrade $http_upgrade;"
            yield "proxy_set_header Connection $connection_upgrade;"
            yield "proxy_set_header X-Real-IP $remote_addr;"
            yield "proxy_set_header X-Forwarded-For $remote_addr;"
            yield "proxy_set_header X-Forwarded-Host $http_host;"
            yield "proxy_set_header X-Original-URI $request_uri;"
            yield 'proxy_set_header Proxy "";'
            yield "proxy_http_version 1.1;"
            yield "proxy_pass http://127.0.0.1:9000; }"
