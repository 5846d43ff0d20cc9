import caffelite as package


def test_the_command_and_the_package_say_the_same(caffelite):
    assert caffelite("version").out == f"caffelite version {package.__version__}\n"
