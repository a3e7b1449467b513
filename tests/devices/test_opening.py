from __future__ import annotations

import sys

import pytest

from sculptnet.devices import BY_NAME, OnnxRuntime, open_device
from sculptnet.devices.runtimes import Maker
from sculptnet.errors import DeviceError, InvalidValue


def test_devices_are_opened_by_name() -> None:
    assert open_device("onnxruntime", threads=1) == OnnxRuntime(1)
    assert open_device("sculptnet.testing:fake_device", threads=3).name == "fake-3t"


def test_an_unknown_device_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(InvalidValue, match="unknown device 'onxruntime'; did you mean onnxruntime"):
        open_device("onxruntime")


@pytest.mark.parametrize("name", ["openvino", "ncnn", "executorch"])
def test_a_runtime_that_is_not_installed_is_an_error_that_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as Python keeps it in mind that there is no such module
    monkeypatch.delitem(sys.modules, BY_NAME[name].module, raising=False)
    with pytest.raises(DeviceError) as caught:
        open_device(name)
    packages = " ".join(BY_NAME[name].packages)
    assert str(caught.value).endswith(f"; run `pip install 'sculptnet[{name}]'` or `pip install {packages}`")


def test_a_mistake_in_our_own_imports_is_not_called_a_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"sculptnet\.devices\.nothing"):
        Maker("sculptnet.devices.nothing", "Nothing", ("nothing",))(1)
    with pytest.raises(
        DeviceError, match=r"no_such_package cannot be imported here .*; run `pip install no_such_package`"
    ):
        Maker("no_such_package", "Nothing", ("no_such_package",))(1)
