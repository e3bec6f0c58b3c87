"""Files of ``kubectl``: what is read of them, and what is said of wrong ones."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InvalidInput, SettingsError
from vedette.server.scrape.client_config import ClientConfig, Tls
from vedette.server.scrape.config import parse_config
from vedette.server.scrape.discovery.kubeconfig import read_kubeconfig

_PEM = "-----BEGIN CERTIFICATE-----\n"
_GOOD: dict[str, Any] = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "near", "user": "u"}}],
    "clusters": [{"name": "near", "cluster": {"server": "https://k.test:6443", "certificate-authority": "pki/ca.pem"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


def _with(**changes: Any) -> dict[str, Any]:
    found = deepcopy(_GOOD)
    for name, value in changes.items():
        kind, _, field = name.partition("__")
        found[f"{kind}s"][0][kind] |= {field.replace("_", "-"): value}
    return found


def _read(folder: Path, document: Any) -> tuple[str, ClientConfig]:
    path = folder / "config"
    path.write_text(json.dumps(document))
    return read_kubeconfig(path)


def test_the_current_context_says_where_and_who(tmp_path):
    server, client = _read(tmp_path, _GOOD)
    assert server == "https://k.test:6443"
    assert client == ClientConfig(credentials="t", tls=Tls(ca_file=str(tmp_path / "pki/ca.pem")))

    given = {"user__client_certificate_data": base64.b64encode(_PEM.encode()).decode(), "user__client_key": "key.pem"}
    given |= {"user__client_certificate": "not-this.pem", "cluster__insecure_skip_tls_verify": True}
    _, client = _read(tmp_path, _with(**given, cluster__tls_server_name="inner", cluster__proxy_url="http://p:1"))
    assert (client.tls.cert, client.tls.cert_file, client.tls.key_file) == (_PEM, "", str(tmp_path / "key.pem"))
    assert (client.tls.insecure_skip_verify, client.tls.server_name, client.proxy_url) == (True, "inner", "http://p:1")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "is no mapping"),
        ({}, "current-context names no context"),
        (_GOOD | {"current-context": "d"}, "current-context names the context 'd', which is not among its contexts"),
        (_with(context__cluster="far"), "the current context names the cluster 'far', which is not among its clusters"),
        (_with(context__user="x"), "the current context names the user 'x', which is not among its users"),
        (_with(cluster__server="k.test"), "its cluster's server is 'k.test', and no URL"),
        (_with(user__exec={"command": "aws"}), "its user's exec starts a program for credentials"),
        (_with(user__client_key_data="%"), "client-key-data is no PEM in base64"),
    ],
)
def test_wrong_files_are_refused_by_a_sentence(tmp_path, document, said):
    with pytest.raises(InvalidInput) as refused:
        _read(tmp_path, document)
    assert said in str(refused.value)
    assert str(tmp_path / "config") in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"kubeconfig_file .*gone cannot be read"):
        read_kubeconfig(tmp_path / "gone")


def test_a_file_and_a_server_contradict_each_other(tmp_path):
    discovery = {"role": "pod", "kubeconfig_file": "k", "api_server": "https://k.test"}
    text = json.dumps({"scrape_configs": [{"job_name": "k", "kubernetes_sd_configs": [discovery]}]})
    with pytest.raises(SettingsError, match="kubeconfig_file says all that api_server, credentials and TLS would"):
        parse_config(text, tmp_path)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["c", "near", "u"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "context", "cluster", "user", "server", "token"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(changes=st.dictionaries(st.sampled_from(list(_GOOD)), _VALUES, min_size=1))
def test_odd_files_end_in_a_sentence_at_worst(tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / "odd-kubeconfig"
    path.write_text(json.dumps(_GOOD | changes))
    try:
        server, _ = read_kubeconfig(path)
    except InvalidInput:
        return
    assert server.startswith("http")
