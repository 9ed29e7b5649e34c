// Whether Keycloak would understand deploy/keycloak/kalends-realm.json, and whether what it says is safe.
// Keycloak passes over what it does not know, so a misspelt word there is a setting that is not made.
// Its own admin client's types say what a realm has; the rules below say what those types leave open. Each rule is then
// tried on a copy of the file with one fault in it: it must find that fault.
//
// usage: realm.mjs [FILE]     ends with "N passed, N failed"
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { BUILT_IN, MAPPERS, scopesOf } from "./keycloak.mjs";

const modules = process.env.MODULES ?? `${process.env.KALENDS_CACHE ?? `${process.env.HOME}/.cache/kalends`}/clients/npm/node_modules`;
const require = createRequire(`${modules}/`);
const types = require("typescript-json-schema");
const Ajv = require("ajv");
const shipped = new URL("../../deploy/keycloak/kalends-realm.json", import.meta.url);
const accounts = new URL("accounts.json", import.meta.url);

// ---- the shape, by Keycloak's types -----------------------------------------------------------------------------

// typescript-json-schema takes a Record<> for an object without properties.
function openRecords(schema) {
  for (const [name, definition] of Object.entries(schema.definitions)) {
    if (name.startsWith("Record<")) delete definition.additionalProperties;
  }
  return schema;
}

function shapes() {
  const file = `${modules}/@keycloak/keycloak-admin-client/lib/defs/realmRepresentation.d.ts`;
  const program = types.getProgramFromFiles([file], { skipLibCheck: true, module: "nodenext", moduleResolution: "nodenext" });
  const generator = types.buildGenerator(program, { noExtraProps: true, required: true, ignoreErrors: true });
  const checker = name => new Ajv({ allErrors: true, strict: false }).compile(openRecords(generator.getSchemaForSymbol(name)));
  return { realm: checker("RealmRepresentation"), partial: checker("PartialImportRealmRepresentation") };
}
const validate = shapes();
const shapeFaults = (check, value) => (check(value) ? [] : check.errors.map(error =>
  `${error.instancePath || "the realm"} ${error.message}${error.params.additionalProperty ? `: ${error.params.additionalProperty}` : ""}`));

// ---- what the types leave open ----------------------------------------------------------------------------------

const CLIENT_ATTRIBUTES = [
  "pkce.code.challenge.method", "post.logout.redirect.uris", "backchannel.logout.url", "backchannel.logout.session.required",
  "backchannel.logout.revoke.offline.tokens", "oauth2.device.authorization.grant.enabled", "use.refresh.tokens",
  "client_credentials.use_refresh_token",
];
const SWITCHES = /^(true|false)$/;
const EXACT = /^https:\/\/[a-z0-9.-]+(:\d+)?\/[^*#\s]*$/;
const PLACEHOLDER = /^\$\{[A-Z_]+\}$/;
const attributes = client => client.attributes ?? {};
const mappersOf = client => client.protocolMappers ?? [];
const find = (realm, id) => realm.clients.find(client => client.clientId === id) ?? {};
const perClient = test => realm => realm.clients.flatMap(client => test(client, realm).map(fault => `${client.clientId}: ${fault}`));
const when = (fault, text) => (fault ? [text] : []);
const audienceOf = client => mappersOf(client).filter(mapper => mapper.protocolMapper === "oidc-audience-mapper");

// Each rule: what it finds wrong in a realm, and faults that it must find.
const RULES = [
  {
    name: "words: only what Keycloak's types know",
    faults: realm => shapeFaults(validate.realm, realm),
    seeds: {
      "redirectUris misspelt": realm => { find(realm, "kalends").redirectUri = find(realm, "kalends").redirectUris; },
      "protocolMappers misspelt": realm => { find(realm, "kalends").protocolMapper = []; },
      "a number in quotes": realm => { realm.accessTokenLifespan = "300"; },
      "a setting of no Keycloak": realm => { realm.bruteForceProtection = true; },
    },
  },
  {
    name: "mappers: known to Keycloak, with configuration they read",
    faults: perClient(client => mappersOf(client).flatMap(({ name, protocol, protocolMapper, config }) => {
      const known = MAPPERS[protocolMapper];
      if (!known) return [`mapper ${name}: no such mapper as ${protocolMapper}`];
      const switches = Object.entries(config).filter(([key]) => key.endsWith(".claim") || key === "full.path");
      return [
        ...when(protocol !== "openid-connect", `mapper ${name}: protocol ${protocol}`),
        ...Object.keys(config).filter(key => !known.keys.includes(key)).map(key => `mapper ${name} does not read ${key}`),
        ...switches.filter(([, value]) => !SWITCHES.test(value)).map(([key, value]) => `mapper ${name}: ${key} is ${value}`),
      ];
    })),
    seeds: {
      "a mapper of no Keycloak": realm => { mappersOf(find(realm, "kalends"))[0].protocolMapper = "oidc-groups-mapper"; },
      "a mapper's key misspelt": realm => { mappersOf(find(realm, "kalends"))[1].config["included.client.audiance"] = "kalends"; },
      "a switch that is none": realm => { mappersOf(find(realm, "kalends"))[0].config["full.path"] = "yes"; },
    },
  },
  {
    name: "client attributes: known to Keycloak",
    faults: perClient(client => Object.keys(attributes(client)).filter(key => !CLIENT_ATTRIBUTES.includes(key)).map(key => `attribute ${key}`)),
    seeds: { "an attribute misspelt": realm => { attributes(find(realm, "kalends"))["pkce.code.challange.method"] = "S256"; } },
  },
  {
    name: "scopes: Keycloak's own stay, and every one that is named exists",
    faults: realm => [
      ...when(realm.clientScopes, "clientScopes is there: Keycloak would make none of its own, the account console breaks"),
      ...realm.clients.flatMap(client => scopesOf(client).filter(scope => !(scope in BUILT_IN)).map(scope => `${client.clientId}: no scope ${scope}`)),
    ],
    seeds: {
      "a scope that is not there": realm => { find(realm, "kalends").defaultClientScopes.push("groups"); },
      "scopes in place of Keycloak's own": realm => { realm.clientScopes = [{ name: "groups", protocol: "openid-connect" }]; },
    },
  },
  {
    name: "scope basic: tokens say whose they are",
    faults: perClient(client => [
      ...when(!client.defaultClientScopes?.includes("basic"), "no scope basic, hence no sub in access tokens"),
      ...when(!BUILT_IN.basic.some(mapper => mapper.protocolMapper === "oidc-sub-mapper"), "basic has no sub"),
    ]),
    seeds: {
      "basic is missing": realm => { find(realm, "kalends").defaultClientScopes = ["profile", "email"]; },
      "basic is optional": realm => {
        const client = find(realm, "kalends-cli");
        client.defaultClientScopes = ["profile", "email"];
        client.optionalClientScopes.push("basic");
      },
    },
  },
  {
    name: "audience: access tokens of every client are for the client kalends",
    faults: perClient((client, realm) => {
      const names = audienceOf(client).filter(({ config }) => config["access.token.claim"] === "true").map(({ config }) => config["included.client.audience"]);
      return [
        ...when(names.length !== 1 || names[0] !== "kalends", `audience ${names}`),
        ...names.filter(name => !find(realm, name).clientId).map(name => `no client ${name}`),
      ];
    }),
    seeds: {
      "no audience": realm => { find(realm, "kalends-automation").protocolMappers = []; },
      "the audience in no access token": realm => { audienceOf(find(realm, "kalends"))[0].config["access.token.claim"] = "false"; },
      "the audience is no client": realm => { find(realm, "kalends").clientId = "calendar"; },
    },
  },
  {
    name: "groups: full paths, so that two groups of one name stay two",
    faults: realm => ["kalends", "kalends-cli"].flatMap(id => {
      const mapper = mappersOf(find(realm, id)).find(({ protocolMapper }) => protocolMapper === "oidc-group-membership-mapper");
      const { "claim.name": claim, "full.path": full, "access.token.claim": access, "id.token.claim": known } = mapper?.config ?? {};
      const right = claim === "groups" && full === "true" && access === "true" && (id !== "kalends" || known === "true");
      return when(!right, `${id}: groups are not told with their full path`);
    }),
    seeds: {
      "groups without path": realm => { mappersOf(find(realm, "kalends"))[0].config["full.path"] = "false"; },
      "no groups": realm => { find(realm, "kalends-cli").protocolMappers.shift(); },
    },
  },
  {
    name: "addresses: exact and https, none for clients that need none",
    faults: perClient(client => {
      const leave = (attributes(client)["post.logout.redirect.uris"] ?? "").split("##").filter(Boolean);
      return [
        ...[...(client.redirectUris ?? []), ...leave, ...(client.webOrigins ?? [])].filter(address => !EXACT.test(address)).map(address => `${address} is not exact`),
        ...when(client.standardFlowEnabled && (client.redirectUris ?? []).length !== 1, "not one redirect address"),
        ...when(!client.standardFlowEnabled && (client.redirectUris ?? []).length, "redirects without a use"),
      ];
    }),
    seeds: {
      "a wildcard redirect": realm => { find(realm, "kalends").redirectUris = ["https://cal.example.org/*"]; },
      "a redirect without TLS": realm => { find(realm, "kalends").redirectUris = ["http://cal.example.org/oidc/callback"]; },
      "a wildcard after logout": realm => { attributes(find(realm, "kalends"))["post.logout.redirect.uris"] = "+"; },
      "every origin": realm => { find(realm, "kalends-cli").webOrigins = ["*"]; },
    },
  },
  {
    name: "flows: only those that are meant, PKCE where a browser takes part",
    faults: perClient(client => {
      const device = attributes(client)["oauth2.device.authorization.grant.enabled"] === "true";
      const on = [client.standardFlowEnabled, device, client.serviceAccountsEnabled].map(Boolean).join();
      const meant = { kalends: "true,false,false", "kalends-cli": "false,true,false", "kalends-automation": "false,false,true" };
      return [
        ...when(on !== meant[client.clientId], `flows (code, device, service account) are ${on}`),
        ...when(client.implicitFlowEnabled || client.directAccessGrantsEnabled, "implicit flow or passwords"),
        ...when(client.standardFlowEnabled && attributes(client)["pkce.code.challenge.method"] !== "S256", "PKCE is not required"),
        ...when(client.publicClient !== (client.clientId === "kalends-cli"), "publicClient"),
        ...when(client.fullScopeAllowed !== false, "fullScopeAllowed: every role goes into its tokens"),
      ];
    }),
    seeds: {
      "no PKCE": realm => { delete attributes(find(realm, "kalends"))["pkce.code.challenge.method"]; },
      "passwords for tokens": realm => { find(realm, "kalends-cli").directAccessGrantsEnabled = true; },
      "a public web client": realm => { find(realm, "kalends").publicClient = true; },
      "every role in the tokens": realm => { delete find(realm, "kalends-automation").fullScopeAllowed; },
      "no device flow": realm => { attributes(find(realm, "kalends-cli"))["oauth2.device.authorization.grant.enabled"] = "false"; },
    },
  },
  {
    name: "logout: the proxy is told, by session",
    faults: realm => {
      const client = find(realm, "kalends");
      const { "backchannel.logout.url": url, "backchannel.logout.session.required": session } = attributes(client);
      return [
        ...when(url !== `${client.redirectUris?.[0]}?logout=backchannel`, `back-channel logout at ${url}`),
        ...when(session !== "true", "logout tokens name no session"),
        ...when(client.frontchannelLogout, "front-channel logout is on, Keycloak then does not call back"),
      ];
    },
    seeds: {
      "no back-channel logout": realm => { delete attributes(find(realm, "kalends"))["backchannel.logout.url"]; },
      "logout without session": realm => { attributes(find(realm, "kalends"))["backchannel.logout.session.required"] = "false"; },
      "front-channel logout": realm => { find(realm, "kalends").frontchannelLogout = true; },
    },
  },
  {
    name: "secrets and people: none in the file",
    faults: realm => [
      ...realm.clients.flatMap(client => when(client.publicClient ? client.secret : !PLACEHOLDER.test(client.secret ?? ""), `${client.clientId}: its secret is no placeholder`)),
      ...when(realm.users, "there are users"),
      ...when(/privateKey|"credentials"|smtpServer|"password"/.test(JSON.stringify(realm)), "there are keys or passwords"),
    ],
    seeds: {
      "a secret": realm => { find(realm, "kalends").secret = "CHANGE-ME"; },
      "a user": realm => { realm.users = [{ username: "alice" }]; },
      "a mail password": realm => { realm.smtpServer = { host: "mail", password: "x" }; },
    },
  },
  {
    name: "lifetimes and locks: short tokens, guessing slowed down",
    faults: realm => [
      ...when(realm.sslRequired !== "external" && realm.sslRequired !== "all", "TLS is not required"),
      ...when(realm.bruteForceProtected !== true || realm.permanentLockout !== false, "guessing is not slowed down, or locks people out for good"),
      ...when(!(realm.accessTokenLifespan <= 600), "access tokens live long"),
      ...when(!(realm.ssoSessionIdleTimeout <= realm.ssoSessionMaxLifespan && realm.ssoSessionMaxLifespan <= 86400), "sessions live long"),
      ...when(!realm.offlineSessionMaxLifespanEnabled, "offline tokens live for ever"),
      ...when(realm.registrationAllowed || realm.editUsernameAllowed, "people may name themselves: a freed name could be taken by somebody else"),
    ],
    seeds: {
      "no brute-force protection": realm => { delete realm.bruteForceProtected; },
      "tokens of a day": realm => { realm.accessTokenLifespan = 86400; },
      "people rename themselves": realm => { realm.editUsernameAllowed = true; },
    },
  },
];

// ---- the run ----------------------------------------------------------------------------------------------------

let passed = 0;
let failed = 0;
function check(name, right, seen = "") {
  right ? (passed += 1) : (failed += 1);
  console.log(`${right ? "ok  " : "FAIL"} ${name}${right ? "" : `: ${seen}`}`);
}

const text = readFileSync(process.argv[2] ?? shipped, "utf8");
for (const { name, faults, seeds } of RULES) {
  const found = faults(JSON.parse(text));
  check(name, found.length === 0, found.join("; "));
  for (const [seed, spoil] of Object.entries(seeds)) {
    const spoilt = JSON.parse(text);
    spoil(spoilt);
    check(`  finds: ${seed}`, faults(spoilt).length > found.length, "the fault was not found");
  }
}
const people = shapeFaults(validate.partial, JSON.parse(readFileSync(accounts, "utf8")));
check("accounts.json: Keycloak's partial import knows its words", people.length === 0, people.join("; "));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
