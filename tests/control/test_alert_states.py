"""What alerts were is kept by tenant and group, on both databases."""

from __future__ import annotations

from vedette.server.control.alert_states import SavedAlerts
from vedette.server.control.store import open_control

LONG = "/etc/rules/" + "deep/" * 200 + "web.yml;größte"


def test_alerts_are_kept_until_they_are_forgotten(control_url: str) -> None:
    with open_control(control_url) as control:
        control.alert_states.save("acme", LONG, 1_795_404_722_807, {"rules": [1]})
        control.alert_states.save("acme", "a.yml;other", 5, {"rules": []})
        control.alert_states.save("other", LONG, 6, {"rules": [2]})
        control.alert_states.save("acme", "a.yml;other", 7, {"rules": ["\ud800"]})
    with open_control(control_url) as control:
        assert control.alert_states.all("acme") == {
            LONG: SavedAlerts(1_795_404_722_807, {"rules": [1]}),
            "a.yml;other": SavedAlerts(7, {"rules": ["\ud800"]}),
        }
        control.alert_states.save("acme", LONG, 9, None)
        assert control.alert_states.all("acme")[LONG] == SavedAlerts(9, {"rules": [1]})
        control.alert_states.forget("acme", LONG)
        control.alert_states.forget("acme", "never")
        assert list(control.alert_states.all("acme")) == ["a.yml;other"]
        assert list(control.alert_states.all("other")) == [LONG]
