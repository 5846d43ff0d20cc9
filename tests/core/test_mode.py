from caffelite.core import mode


def test_asking_for_a_gpu_warns_once(caplog, monkeypatch):
    monkeypatch.setattr(mode, "_warned", False)
    mode.set_mode_gpu()
    mode.set_mode_gpu()
    mode.set_mode_cpu()
    assert caplog.messages == ["caffelite has no GPU code: it computes on the CPU, with all cores."]
