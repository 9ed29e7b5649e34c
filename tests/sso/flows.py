"""How people and programs get and lose their sign-in, by script: logins through a site, tokens, logouts.

Usage: site = Site(DIR) of a site that site.sh has started; run as a program (flows.py DIR) it tries the provider alone.
"""

import base64
import hashlib
import html.parser
import http.client
import http.cookies
import json
import os
import secrets
import shlex
import socket
import ssl
import sys
import time
import urllib.parse as urls

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Answer:
    """One answer: `status`, `headers` (an email.message.Message), `body` (bytes), `url`."""

    def __init__(self, url, response):
        self.url, self.status, self.headers, self.body = url, response.status, response.headers, response.read()

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes and what it carries, buttons left out."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attrs.get("action", "")
        if tag == "input" and attrs.get("type") != "submit" and "name" in attrs:
            self.fields[attrs["name"]] = attrs.get("value", "")


class Browser:
    """Cookies per host and port, redirects, forms: a browser without scripts. Every name of a site is loopback to it."""

    def __init__(self, site):
        self.site, self.cookies = site, {}

    def cookie_header(self):
        """The Cookie header this browser sends to the site."""
        return "; ".join(f"{name}={value}" for name, (value, _) in self.cookies.get(self.site.authority, {}).items())

    def request(self, method, url, body=None, headers=None):
        """One request with this browser's cookies; no redirect is followed."""
        parts = urls.urlsplit(url)
        jar = self.cookies.setdefault(parts.netloc, {})
        sent = {"Accept": "text/html,application/xhtml+xml", **(headers or {})}
        fitting = [f"{name}={value}" for name, (value, path) in jar.items() if (parts.path or "/").startswith(path)]
        if fitting:
            sent["Cookie"] = "; ".join(fitting)
        answer = self.site.send(method, url, body, sent)
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, cookie in http.cookies.SimpleCookie(line).items():
                gone = not cookie.value or cookie["max-age"] == "0" or "1970" in cookie["expires"]
                if gone:
                    jar.pop(name, None)
                else:
                    jar[name] = (cookie.value, cookie["path"] or "/")
        return answer

    def open(self, method, url, body=None, headers=None):
        """One request, and the redirects after it; a form the page sends by itself (logout) is sent as well."""
        answer = self.request(method, url, body, headers)
        for _ in range(20):
            if answer.status in (301, 302, 303, 307, 308):
                answer = self.request("GET", urls.urljoin(answer.url, answer.headers["Location"]))
            elif 'form="op.logoutForm"' in answer.text:
                answer = self.submit(answer, logout="yes", follow=False)
            else:
                return answer
        raise RuntimeError(f"redirected without end, last to {answer.url}")

    def submit(self, answer, follow=True, **filled):
        """Sends the first form of a page, with these fields filled in."""
        form = Form(answer.text)
        body = urls.urlencode({**form.fields, **filled})
        send = self.open if follow else self.request
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return send("POST", urls.urljoin(answer.url, form.action or ""), body, headers)

    def sign_in(self, answer, user, password=None):
        """Fills in the login page; the page after it."""
        return self.submit(answer, username=user, password=password or f"{user}-secret")


class Site:
    """A site as its DIR/env tells of it."""

    def __init__(self, folder):
        with open(os.path.join(folder, "env"), encoding="utf-8") as lines:
            self.env = dict(word.split("=", 1) for line in lines for word in shlex.split(line.removeprefix("export ")))
        self.url, self.issuer = self.env["SITE_URL"], self.env["ISSUER"]
        self.ca, self.socket, self.secret = self.env["SITE_CA"], self.env["SOCKET"], self.env["SECRET"]
        self.authority, self.port = urls.urlsplit(self.url).netloc, urls.urlsplit(self.url).port
        self.host, self.local = urls.urlsplit(self.url).hostname, f"https://localhost:{self.port}"
        self.trust = ssl.create_default_context(cafile=self.ca)
        self.known = {}

    def send(self, method, url, body=None, headers=None):
        """One request with nothing remembered."""
        parts = urls.urlsplit(url)
        there = "127.0.0.1" if parts.hostname == self.host else parts.hostname
        connection = http.client.HTTPSConnection(there, parts.port, timeout=30, context=self.trust)
        target = urls.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            connection.request(method, target, body, {"Host": parts.netloc, **(headers or {})})
            return Answer(url, connection.getresponse())
        finally:
            connection.close()

    def connect(self):
        """A TLS connection to the site, for requests that no client library would send."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.trust.wrap_socket(stream, server_hostname=self.host)

    def endpoint(self, name):
        return f"{self.issuer}/protocol/openid-connect/{name}"

    def post(self, url, fields, client=None):
        """A form posted by a program; `client` is (id, secret)."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if client:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(client).encode()).decode()
        return self.send("POST", url, urls.urlencode(fields), headers)

    @property
    def web(self):
        return self.env["CLIENT_ID"], self.env["CLIENT_SECRET"]

    def login(self, user, path="/dav/", password=None):
        """Opens a page of the site as a browser does, signs in: (browser, the page after it)."""
        browser = Browser(self)
        page = browser.open("GET", self.url + path)
        return browser, browser.sign_in(page, user, password)

    def session(self, user):
        """A browser in which that person is signed in; the same one each time."""
        if ("session", user) not in self.known:
            self.known["session", user] = self.login(user)[0]
        return self.known["session", user]

    def device_token(self, user):
        """An access token of that person; the same one for a minute, as it lives for a few."""
        made, token = self.known.get(("device", user), (0, None))
        if time.monotonic() - made > 60 or token is None:
            token = self.device(user)["access_token"]
            self.known["device", user] = time.monotonic(), token
        return token

    def client_token(self, client):
        """An access token of a service account."""
        return self.client_credentials(client)

    def subject(self, user):
        """The provider's lasting key of that person."""
        return claims(self.device_token(user))["sub"]

    def logout(self, browser):
        """Signs out at the site and, by its redirect, at the provider."""
        back = urls.quote(self.url + "/", safe="")
        return browser.open("GET", f"{self.url}/oidc/callback?logout={back}")

    def client_credentials(self, client="kalends-automation", secret=None):
        """The access token of a service account; `other` is the client whose tokens are not for kalends."""
        known = {"kalends-automation": self.env["AUTOMATION_SECRET"], "other": "other-secret"}
        answer = self.post(self.endpoint("token"), {"grant_type": "client_credentials"}, (client, secret or known[client]))
        return answer.json["access_token"]

    def device(self, user, scope="openid offline_access", client="kalends-cli"):
        """The device flow, the person's part included: the token answer (access_token, refresh_token, id_token)."""
        known = {"client_id": client}
        asked = self.post(self.endpoint("auth/device"), {**known, "scope": scope}).json
        browser = Browser(self)
        page = browser.open("GET", asked["verification_uri_complete"])
        for _ in range(6):
            fields = Form(page.text).fields
            if "password" in fields:
                page = browser.sign_in(page, user)
            elif fields:
                page = browser.submit(page)
            else:
                break
        return self.post(self.endpoint("token"), {**known, "grant_type": DEVICE, "device_code": asked["device_code"]}).json

    def refresh(self, token, client=None):
        """A refresh token's answer; `client` is (id, secret), the device client by default."""
        fields = {"grant_type": "refresh_token", "refresh_token": token}
        if client:
            return self.post(self.endpoint("token"), fields, client)
        return self.post(self.endpoint("token"), {**fields, "client_id": "kalends-cli"})

    def admin(self, method, path, body=None):
        """The realm's administration; a real Keycloak wants $KEYCLOAK_TOKEN."""
        headers = {"Content-Type": "application/json"}
        if "KEYCLOAK_TOKEN" in os.environ:
            headers["Authorization"] = "Bearer " + os.environ["KEYCLOAK_TOKEN"]
        base = self.issuer.replace("/realms/", "/admin/realms/")
        return self.send(method, base + path, json.dumps(body) if body is not None else None, headers)

    def end_sessions(self, user):
        """The provider ends a person's sessions and tells its clients: back-channel logout."""
        found = self.admin("GET", f"/users?username={urls.quote(user)}&exact=true").json
        return self.admin("POST", f"/users/{found[0]['id']}/logout")

    def token_lifetime(self, seconds):
        """Access tokens from now on live that long."""
        return self.admin("PUT", "", {"accessTokenLifespan": seconds})


def claims(token):
    """What a JWT says; nothing is verified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def code_flow(site, user, password=None, **changed):
    """The code flow as the web client's proxy does it: (browser, last answer, verifier)."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": "kalends", "response_type": "code", "scope": "openid profile email", "state": "here",
        "redirect_uri": site.url + "/oidc/callback", "code_challenge": challenge, "code_challenge_method": "S256",
    } | changed
    asked = {name: value for name, value in asked.items() if value is not None}
    browser = Browser(site)
    answer = browser.request("GET", site.endpoint("auth") + "?" + urls.urlencode(asked))
    sent = False
    for _ in range(10):
        location = answer.headers.get("Location", "")
        if location.startswith(site.url):
            break
        if location:
            answer = browser.request("GET", urls.urljoin(answer.url, location))
        elif "password" in Form(answer.text).fields and not sent:
            answer = browser.submit(answer, follow=False, username=user, password=password or f"{user}-secret")
            sent = True
        else:
            break
    return browser, answer, verifier


def try_provider(site, check):
    """Every flow against the provider alone, and what it must refuse."""

    def query(answer):
        return dict(urls.parse_qsl(urls.urlsplit(answer.headers.get("Location", "")).query))

    browser, answer, verifier = code_flow(site, "alice")
    fields = {"grant_type": "authorization_code", "redirect_uri": site.url + "/oidc/callback", "code": query(answer).get("code")}
    stolen = site.post(site.endpoint("token"), {**fields, "code_verifier": "x" * 43}, site.web)
    check("a code without its verifier is refused", stolen.status == 400, stolen.text)
    browser, answer, verifier = code_flow(site, "alice")
    fields["code"] = query(answer).get("code")
    tokens = site.post(site.endpoint("token"), {**fields, "code_verifier": verifier}, site.web).json
    known, access = claims(tokens["id_token"]), claims(tokens["access_token"])
    check("the ID token names alice", known["preferred_username"] == "alice" and known["email"] == "alice@example.com", known)
    check("her groups are full paths", known["groups"] == ["/staff", "/rooms-admin"], known)
    check("sub is a lasting key", known["sub"] != "alice" and known["sub"] == access["sub"], (known, access))
    check("the ID token has sid and azp", known.get("sid") and known["azp"] == "kalends", known)
    check("the access token is for kalends", access["aud"] == "kalends" and access["iss"] == site.issuer, access)
    bearer = {"Authorization": "Bearer " + tokens["access_token"]}
    told = site.send("GET", site.endpoint("userinfo"), headers=bearer)
    check("userinfo tells the same", told.status == 200 and told.json["groups"] == known["groups"], told.text)
    check("refresh", "access_token" in site.refresh(tokens["refresh_token"], site.web).json)
    _, answer, _ = code_flow(site, "bob")
    check("bob signs in", "code" in query(answer), answer.text)
    _, answer, _ = code_flow(site, "alice", password="wrong")
    check("a wrong password is refused", answer.status == 200 and "Invalid username or password" in answer.text, answer.text)
    _, answer, _ = code_flow(site, "alice", code_challenge=None, code_challenge_method=None)
    check("no PKCE is refused", query(answer).get("error") == "invalid_request", answer.headers.items())
    _, answer, _ = code_flow(site, "alice", redirect_uri=site.url + "/other")
    check("another redirect address is refused", answer.status == 400, answer.status)
    _, answer, _ = code_flow(site, "alice", scope="openid groups")
    check("a scope the client lacks is refused", query(answer).get("error") == "invalid_scope", answer.headers.items())
    machine = claims(site.client_credentials())
    check("a service account", machine["preferred_username"] == "service-account-kalends-automation" and machine["aud"] == "kalends", machine)
    check("another client's token is not for kalends", claims(site.client_credentials("other"))["aud"] != "kalends")
    refused = site.post(site.endpoint("token"), {"grant_type": "client_credentials"}, ("other", "wrong"))
    check("a wrong client secret is refused", refused.status == 401, refused.text)
    device = site.device("carol")
    check("device flow", claims(device["access_token"])["preferred_username"] == "carol", device)
    check("its refresh", "access_token" in site.refresh(device["refresh_token"]).json)
    site.end_sessions("carol")
    check("its offline token outlives her sessions", "access_token" in site.refresh(device["refresh_token"]).json)
    device = site.device("carol", "openid")
    site.end_sessions("carol")
    check("one that is not offline does not", site.refresh(device["refresh_token"]).status == 400)
    leave = urls.urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": site.url + "/"})
    answer = browser.request("GET", site.endpoint("logout") + "?" + leave)
    if "op.logoutForm" in answer.text:
        answer = browser.submit(answer, follow=False, logout="yes")
    check("logout leads back", answer.headers.get("Location") == site.url + "/", answer.headers.items())
    told = site.send("GET", site.endpoint("userinfo"), headers=bearer)
    check("userinfo after logout", told.status == 401, told.text)
    check("refresh after logout", site.refresh(tokens["refresh_token"], site.web).status == 400)
    before = site.admin("GET", "/users?username=alice").status
    site.token_lifetime(1)
    token = claims(site.client_credentials())
    site.token_lifetime(300)
    check("short lifetimes", before == 200 and token["exp"] - token["iat"] == 1, token)


def main():
    counts = {True: 0, False: 0}

    def check(name, right, seen=None):
        counts[bool(right)] += 1
        print(("ok   " if right else "FAIL ") + name + ("" if right else f": {seen}"))

    try_provider(Site(sys.argv[1]), check)
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
