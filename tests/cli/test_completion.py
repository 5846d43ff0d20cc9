import subprocess

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(caffelite, shell):
    result = caffelite("completion", shell)
    assert (result.status, result.err) == (0, "")
    assert "caffelite" in result.out and "train" in result.out


def test_what_the_help_says_works_in_bash(program, tmp_path):
    script = program("completion", "bash").out
    words = 'COMP_WORDS=(caffelite tra); COMP_CWORD=1; _caffelite; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f'eval "$1"; complete -p caffelite; {words}', "x", script], capture_output=True
    )
    assert done.stdout.split(b"\n")[:2] == [b"complete -F _caffelite caffelite", b"train"]


def test_another_shell(caffelite):
    result = caffelite("completion", "fsh")
    assert result.status == 1
    assert result.error.endswith('there is no completion for "fsh"; did you mean "fish"?; use bash, zsh or fish')
