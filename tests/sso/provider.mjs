// The OpenID provider of the tests: npm oidc-provider behind TLS, with the paths, tokens and manners of a Keycloak realm.
// Its clients are those of the shipped realm file, so what that file says is what logins are tried against.
//
// Environment: REALM, ACCOUNTS (realm file; people and further clients, in the shape of Keycloak's partial import),
// SITE_URL (stands in place of https://cal.example.org), CERT, KEY, CA (PEM files; CA is whom to trust at back-channel
// logout), MODULES (the folder of node_modules), PORT (0 is any), ACCESS_TOKEN_TTL, SESSION_TTL (seconds).
// Prints `ISSUER=https://127.0.0.1:PORT/realms/kalends` when it answers.
//
// Of Keycloak's admin interface there is what tests need, without asking who calls, hence on loopback only:
//   GET  /admin/realms/kalends/users?username=alice     the person's id
//   POST /admin/realms/kalends/users/ID/logout          ends the sessions and tells the clients (back-channel logout)
//   PUT  /admin/realms/kalends {"accessTokenLifespan":2}  changes lifetimes from now on
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:https";
import { BUILT_IN, claims, resolve, scopesOf, serviceAccount } from "./keycloak.mjs";

const env = process.env;
const { Provider } = await import(`${env.MODULES}/oidc-provider/lib/index.js`);
const { jwtVerify, createLocalJWKSet } = await import(`${env.MODULES}/jose/dist/webapi/index.js`);

const load = file => JSON.parse(resolve(readFileSync(file, "utf8"), env).replaceAll("https://cal.example.org", env.SITE_URL));
const realm = load(env.REALM);
const accounts = load(env.ACCOUNTS);
if (env.ACCESS_TOKEN_TTL) realm.accessTokenLifespan = Number(env.ACCESS_TOKEN_TTL);
if (env.SESSION_TTL) realm.ssoSessionMaxLifespan = Number(env.SESSION_TTL);

const PREFIX = `/realms/${realm.realm}`;
const ADMIN = `/admin${PREFIX}`;
const OIDC = "/protocol/openid-connect";
const RESOURCE = "urn:kalends:any"; // oidc-provider signs access tokens only for a resource, so all are for this one
const AUDIENCE_OF_NONE = "account"; // what Keycloak says where no mapper names an audience

const clients = new Map([...realm.clients, ...accounts.clients].map(client => [client.clientId, client]));
const people = accounts.users;
const byId = id => people.find(person => person.id === id);

// ---- storage: one map, so that sessions can be searched ---------------------------------------------------------

const stored = new Map();
class Memory {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  search(test) {
    for (const [key, { payload }] of stored) if (key.startsWith(`${this.model}:`) && test(payload)) return this.alive(key);
  }
  alive(key) {
    const entry = stored.get(key);
    if (entry && entry.until > Date.now()) return entry.payload;
    stored.delete(key);
  }
  async upsert(id, payload, ttl) { stored.set(this.key(id), { payload, until: ttl ? Date.now() + ttl * 1000 : Infinity }); }
  async find(id) { return this.alive(this.key(id)); }
  async findByUserCode(code) { return this.search(payload => payload.userCode === code); }
  async findByUid(uid) { return this.search(payload => payload.uid === uid); }
  async consume(id) { this.alive(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { stored.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of stored) if (payload.grantId === grantId) stored.delete(key);
  }
}
const sessions = test => [...stored].filter(([key, { payload, until }]) => key.startsWith("Session:") && until > Date.now() && test(payload));

// ---- the realm, in oidc-provider's words ------------------------------------------------------------------------

function clientMetadata(client) {
  const attributes = client.attributes ?? {};
  const device = attributes["oauth2.device.authorization.grant.enabled"] === "true";
  const grants = {
    authorization_code: client.standardFlowEnabled,
    "urn:ietf:params:oauth:grant-type:device_code": device,
    refresh_token: client.standardFlowEnabled || device,
    client_credentials: client.serviceAccountsEnabled,
  };
  const backchannel = attributes["backchannel.logout.url"];
  return {
    client_id: client.clientId,
    client_name: client.name,
    ...(client.publicClient ? {} : { client_secret: client.secret }),
    token_endpoint_auth_method: client.publicClient ? "none" : "client_secret_basic",
    grant_types: Object.keys(grants).filter(grant => grants[grant]),
    response_types: client.standardFlowEnabled ? ["code"] : [],
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: (attributes["post.logout.redirect.uris"] ?? "").split("##").filter(Boolean),
    ...(backchannel && {
      backchannel_logout_uri: backchannel,
      backchannel_logout_session_required: attributes["backchannel.logout.session.required"] === "true",
    }),
    scope: ["openid", ...scopesOf(client)].join(" "),
  };
}

const everyScope = ["openid", ...Object.keys(BUILT_IN)];

async function loadExistingGrant(ctx) {
  const { client, session, provider } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const grant = (known && (await provider.Grant.find(known))) ||
    new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope(["openid", ...scopesOf(client.kc)].join(" "));
  grant.addResourceScope(RESOURCE, everyScope.join(" "));
  await grant.save();
  return grant;
}

// Access tokens as Keycloak words them; oidc-provider's own claims (iss, iat, exp, jti) stay.
function shapeAccessToken(ctx, token, jwt) {
  const client = clients.get(token.clientId);
  const person = token.accountId ? byId(token.accountId) : serviceAccount(token.clientId);
  const made = claims("access", client, { person, authTime: token.extra?.auth_time });
  delete jwt.payload.sub; // only the scope `basic` puts it in
  Object.assign(jwt.payload, { typ: "Bearer", azp: token.clientId, ...(token.sid && { sid: token.sid }) }, made);
  jwt.payload.aud = made.aud ?? AUDIENCE_OF_NONE;
  jwt.header = { ...jwt.header, typ: "JWT" };
}

const page = (title, body) => `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>`;
const lifetimes = () => ({
  AccessToken: realm.accessTokenLifespan,
  IdToken: realm.accessTokenLifespan,
  RefreshToken: realm.ssoSessionIdleTimeout,
  AuthorizationCode: realm.accessCodeLifespan,
  DeviceCode: realm.oauth2DeviceCodeLifespan,
  Interaction: realm.accessCodeLifespanLogin,
  Session: realm.ssoSessionMaxLifespan,
  Grant: realm.offlineSessionMaxLifespan,
});

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signing = { use: "sig", alg: "RS256", kid: randomBytes(8).toString("hex") };

function configuration() {
  return {
    adapter: Memory,
    clients: [...clients.values()].map(clientMetadata),
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), ...signing }] },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    routes: {
      authorization: `${OIDC}/auth`,
      token: `${OIDC}/token`,
      userinfo: `${OIDC}/userinfo`,
      jwks: `${OIDC}/certs`,
      end_session: `${OIDC}/logout`,
      revocation: `${OIDC}/revoke`,
      device_authorization: `${OIDC}/auth/device`,
      code_verification: "/device",
    },
    scopes: everyScope,
    // Keycloak decides by mappers, not by scopes, what a token says.
    claims: { acr: null, auth_time: null, iss: null, sid: null, openid: ["sub", "azp", "typ", ...claimNames()] },
    conformIdTokenClaims: false,
    responseTypes: ["code"],
    pkce: { required: (ctx, client) => client.kc.attributes?.["pkce.code.challenge.method"] === "S256" },
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: realm.revokeRefreshToken,
    loadExistingGrant,
    findAccount: (ctx, id) => byId(id) && {
      accountId: id,
      claims: use => ({ sub: id, azp: ctx.oidc.client.clientId, typ: "ID", ...claims(use === "id_token" ? "id" : use, ctx.oidc.client.kc, { person: byId(id) }) }),
    },
    interactions: { url: (ctx, interaction) => `${PREFIX}/login-actions/authenticate/${interaction.uid}` },
    ttl: Object.fromEntries(Object.keys(lifetimes()).map(kind => [kind, () => lifetimes()[kind]])),
    formats: { customizers: { jwt: shapeAccessToken } },
    fetch: tellClient,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        // Keycloak asks nobody whose client shows an ID token; this page answers itself.
        logoutSource: (ctx, form) => {
          ctx.body = page("Logging out", `${form}<button form="op.logoutForm" name="logout" value="yes">Log out</button>
<script>document.querySelector("button").click()</script>`);
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: everyScope.join(" "),
          audience: AUDIENCE_OF_NONE,
          accessTokenTTL: realm.accessTokenLifespan,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    renderError: (ctx, out) => {
      ctx.type = "html";
      ctx.body = page("We are sorry...", `<p>${Object.values(out).map(text => String(text).replace(/[<&]/g, "")).join(": ")}</p>`);
    },
  };
}

function claimNames() {
  const mappers = [...Object.values(BUILT_IN).flat(), ...[...clients.values()].flatMap(client => client.protocolMappers ?? [])];
  return [...new Set(mappers.map(({ config }) => config["claim.name"]?.split(".")[0]).filter(Boolean)), "name"].filter(name => name !== "auth_time");
}

// Back-channel logout goes to the site's name, which only the tests know to be loopback.
function tellClient(url, { method, headers, body }) {
  const options = { method, headers: Object.fromEntries(headers), ca: readFileSync(env.CA), lookup: (name, how, done) => (how.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)) };
  return new Promise((done, fail) => {
    const call = request(url, options, answer => answer.resume().on("end", () => done({ status: answer.statusCode })));
    call.on("error", fail).setTimeout(5000, () => call.destroy(new Error("no answer in 5 s")));
    call.end(String(body));
  });
}

// ---- what Keycloak has and oidc-provider has not ----------------------------------------------------------------

const escape = text => String(text).replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`);
function loginPage(action, username = "", complaint = "") {
  return page("Sign in to your account", `<p id="input-error">${complaint}</p>
<form id="kc-form-login" action="${escape(action)}" method="post">
<input id="username" name="username" type="text" value="${escape(username)}" autocomplete="username">
<input id="password" name="password" type="password" autocomplete="current-password">
<input id="kc-login" type="submit" value="Sign In"></form>`);
}

async function body(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString();
}
function answer(res, status, type, text) {
  res.writeHead(status, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" }).end(text);
}
const json = (res, status, value) => answer(res, status, "application/json", JSON.stringify(value));

async function login(req, res) {
  await provider.interactionDetails(req, res); // throws where no login is under way
  if (req.method !== "POST") return answer(res, 200, "text/html", loginPage(req.originalUrl));
  const form = new URLSearchParams(await body(req));
  const person = people.find(({ username }) => username === form.get("username")?.toLowerCase());
  if (!person?.enabled || person.credentials[0].value !== form.get("password")) {
    return answer(res, 200, "text/html", loginPage(req.originalUrl, form.get("username") ?? "", "Invalid username or password."));
  }
  await provider.interactionFinished(req, res, { login: { accountId: person.id } });
}

async function userinfo(req, res) {
  const token = /^Bearer (.+)$/i.exec(req.headers.authorization ?? "")?.[1] ?? "";
  const keys = createLocalJWKSet({ keys: [{ ...publicKey.export({ format: "jwk" }), ...signing }] });
  const found = await jwtVerify(token, keys, { issuer: provider.issuer, typ: "JWT" }).catch(() => undefined);
  const person = byId(found?.payload.sub);
  const { sid, azp } = found?.payload ?? {};
  const ended = sid && sessions(session => session.authorizations?.[azp]?.sid === sid).length === 0;
  if (!person || ended) {
    res.setHeader("WWW-Authenticate", `Bearer realm="${realm.realm}", error="invalid_token"`);
    return json(res, 401, { error: "invalid_token" });
  }
  json(res, 200, { sub: person.id, ...claims("userinfo", clients.get(azp), { person }) });
}

// Keycloak refuses a scope that the client does not have; oidc-provider passes over one that it does not know.
function refusedScope(url) {
  const client = clients.get(url.searchParams.get("client_id"));
  const back = url.searchParams.get("redirect_uri");
  const asked = (url.searchParams.get("scope") ?? "").split(" ").filter(Boolean);
  if (!client?.redirectUris.includes(back) || asked.every(scope => scope === "openid" || scopesOf(client).includes(scope))) return undefined;
  const location = new URL(back);
  location.searchParams.set("error", "invalid_scope");
  location.searchParams.set("error_description", `Invalid scopes: ${asked.join(" ")}`);
  if (url.searchParams.has("state")) location.searchParams.set("state", url.searchParams.get("state"));
  return location.href;
}

async function endSessions(id) {
  for (const [key, { payload }] of sessions(session => session.accountId === id)) {
    stored.delete(key);
    for (const [clientId, { sid, grantId, persistsLogout }] of Object.entries(payload.authorizations ?? {})) {
      if (grantId && !persistsLogout) await new Memory("").revokeByGrantId(grantId);
      const client = await provider.Client.find(clientId);
      if (client.backchannelLogoutUri) {
        await client.backchannelLogout(id, sid).catch(error => console.error(`back-channel logout of ${clientId}: ${error.message}`));
      }
    }
  }
}

async function admin(req, res, url) {
  const path = url.pathname.slice(ADMIN.length);
  const logout = /^\/users\/([^/]+)\/logout$/.exec(path);
  if (req.method === "GET" && path === "/users") {
    return json(res, 200, people.filter(({ username }) => username === url.searchParams.get("username")).map(({ id, username }) => ({ id, username })));
  }
  if (req.method === "POST" && logout && byId(logout[1])) await endSessions(logout[1]);
  else if (req.method === "PUT" && path === "") Object.assign(realm, JSON.parse(await body(req)));
  else return json(res, 404, { error: "not found" });
  res.writeHead(204).end();
}

async function route(req, res) {
  const url = new URL(req.url, "https://127.0.0.1");
  if (url.pathname.startsWith(ADMIN)) return admin(req, res, url);
  if (!url.pathname.startsWith(`${PREFIX}/`)) return json(res, 404, { error: "Realm does not exist" });
  const path = url.pathname.slice(PREFIX.length);
  // Mounted below /realms/NAME: oidc-provider finds its own paths by these three.
  req.originalUrl = req.url;
  req.baseUrl = PREFIX;
  req.url = req.url.slice(PREFIX.length);
  if (path.startsWith("/login-actions/")) return login(req, res);
  if (path === `${OIDC}/userinfo`) return userinfo(req, res);
  const refused = path === `${OIDC}/auth` && refusedScope(url);
  if (refused) return res.writeHead(302, { Location: refused }).end();
  return callback(req, res);
}

const server = createServer({ cert: readFileSync(env.CERT), key: readFileSync(env.KEY) }, (req, res) => {
  route(req, res).catch(error => answer(res, error.statusCode ?? 500, "text/html", page("We are sorry...", escape(error.message))));
});
await new Promise(done => server.listen(Number(env.PORT ?? 0), "127.0.0.1", done));
const provider = new Provider(`https://127.0.0.1:${server.address().port}${PREFIX}`, configuration());
Object.defineProperty(provider.Client.prototype, "kc", { get() { return clients.get(this.clientId); } });
provider.on("backchannel.error", (ctx, error, client) => console.error(`back-channel logout of ${client.clientId}: ${error.message}`));
provider.on("server_error", (ctx, error) => console.error(error));
for (const name of ["authorization.error", "grant.error", "end_session.error"]) {
  provider.on(name, (ctx, error) => console.error(`${name}: ${error.error}: ${error.error_detail ?? error.error_description}`));
}
const callback = provider.callback();
console.log(`ISSUER=${provider.issuer}`);
