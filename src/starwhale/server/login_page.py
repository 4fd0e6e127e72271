"""The page on which a person gives the token: plain HTML and no script, so that it works before anything else does."""

from __future__ import annotations

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Log in · Starwhale Model Evaluation</title>
<meta name="viewport" content="width=device-width"><style>body{{font:16px/1.5 system-ui;max-width:28rem;margin:15vh auto;padding:0 1rem;
color-scheme:light dark}}label{{display:block;margin:1rem 0 .25rem}}input{{box-sizing:border-box;width:100%;padding:.5rem;font:inherit}}
button{{margin-top:1rem;padding:.5rem 1.25rem;font:inherit}}code{{font-size:.9em}}.wrong{{color:light-dark(#a40000,#ff9b9b)}}</style>
<h1>Starwhale Model Evaluation</h1>{told}{form}</html>
"""
_FORM = """<form method="post" action="/login"><label for="token">Token of this server</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Log in</button></form>
<p>It was shown when the server was started for the first time. On its machine, <code>swcli server token</code> makes a new one.</p>"""
_INSIDE = """<p>You are logged in. <a href="/">Open the console</a></p>
<form method="post" action="/logout"><button type="submit">Log out</button></form>"""
_WRONG = '<p class="wrong" role="alert">This is not the token of this server.</p>'


def login_page(*, is_in: bool, was_wrong: bool = False) -> str:
    """Return the page.

    Args:
        is_in: Whether who asks is logged in.
        was_wrong: Whether they have just given a token that is not good.
    """
    return _PAGE.format(told=_WRONG if was_wrong else "", form=_INSIDE if is_in else _FORM)


__all__ = ["login_page"]
