"""What the format knows and this version of tinyops cannot act on: refused with a sentence, never accepted silently.

A line leaves this table when the field or kind enters the model.
"""

from __future__ import annotations

from tinyops.documents import NotYet

_IMAGE = "signing of images by people is not part of this version: let people sign `targets`, CI signs with one key"

NOT_YET: NotYet = {
    ("FleetSpec", "settings"): "settings of devices, such as Wi-Fi, are not part of this version",
    ("Signer", "threshold"): _IMAGE,
    ("by", "people"): _IMAGE,
    ("sensor", "camera"): "camera modules are not part of this version",
}
